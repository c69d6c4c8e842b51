BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE calibrate_claim (
	study INTEGER NOT NULL, 
	candidate INTEGER NOT NULL, 
	coordinator INTEGER NOT NULL, 
	parameters JSON NOT NULL, 
	PRIMARY KEY (study, candidate), 
	FOREIGN KEY(study) REFERENCES calibrate_study (id), 
	FOREIGN KEY(coordinator) REFERENCES calibrate_coordinator (id)
);
CREATE TABLE calibrate_coordinator (
	id INTEGER NOT NULL, 
	study INTEGER NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	place VARCHAR(255) NOT NULL, 
	process BIGINT NOT NULL, 
	beat BIGINT NOT NULL, 
	began VARCHAR(40) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(study) REFERENCES calibrate_study (id)
);
CREATE TABLE calibrate_schema (
	version INTEGER NOT NULL
);
INSERT INTO "calibrate_schema" VALUES(4);
CREATE TABLE calibrate_simulation (
	id INTEGER NOT NULL, 
	study INTEGER NOT NULL, 
	uuid VARCHAR(36) NOT NULL, 
	candidate INTEGER NOT NULL, 
	trial INTEGER, 
	stage INTEGER NOT NULL, 
	realisation INTEGER NOT NULL, 
	parameters JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	backend JSON NOT NULL, 
	duration_ms FLOAT NOT NULL, 
	wall_s FLOAT NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	finished VARCHAR(40) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT, 
	statistics JSON NOT NULL, 
	observation TEXT, 
	sha256 VARCHAR(64), 
	origin VARCHAR(255), 
	PRIMARY KEY (id), 
	UNIQUE (study, uuid, stage, realisation), 
	FOREIGN KEY(study) REFERENCES calibrate_study (id)
);
INSERT INTO "calibrate_simulation" VALUES(1,1,'95380bb4-0e9b-4ae2-b071-bad50db904e8',0,0,1,0,'{"drive": 1.405747469014346}',3971923128,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',400.0,1.16991800041432725265e-03,'host','2026-11-28T01:52:26.804021+00:00','complete',NULL,'{"peak_rate": {"value": 40.0}, "rate_E": {"value": 6.8125, "support": 40.0, "error": 0.6875}, "rate_sd_E": {"value": 4.348131782731522, "support": 40.0, "error": 0.3090015629035035}, "silent_fraction_E": {"value": 0.075, "support": 40.0, "error": 0.042176369614348674, "note": "a single spike is 2.5 Hz in so short a measurement"}, "cv_E": {"value": null, "support": 0.0, "shortfall": 0.30170454545454545, "note": "no neuron has 10 intervals"}, "cv2_E": {"value": 1.1294888176789029, "support": 20.0, "error": 0.09904247176798407}, "lv_E": {"value": 1.1747668923141277, "support": 20.0, "error": 0.15653686077360712}, "lvr_E": {"value": 1.3712326226738398, "support": 20.0, "error": 0.180815990703731}, "fano_E": {"value": null, "support": 0.0, "shortfall": 1.0, "note": "fewer than 2 windows of 400 ms"}, "correlation_E": {"value": -0.0650887573964497, "support": 27.0, "error": 0.0}, "synchrony_E": {"value": 0.05391564415503605, "support": 2.0, "error": 0.00021331512098205288}, "locking_E": {"value": 0.2018348623853211, "support": 109.0, "error": 0.027269501875923342, "note": "with so few spikes chance alone gives 0.22"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.37047632947645043, "note": "no up-state; the highest smoothed rate of a cluster is 10.4 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0, "error": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0, "error": 0.0}}','lab.observations/95380bb4-0e9b-4ae2-b071-bad50db904e8-1-0.npz','05239cd0e388fb20eafcc42acda0c30d0a0ff70fe85e012cef1a0f51b2e1b9b7',NULL);
INSERT INTO "calibrate_simulation" VALUES(2,1,'cb17e0f8-d244-4190-9c92-9b783fecbcdb',1,1,1,0,'{"drive": 2.899081799139332}',3271219438,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',400.0,1.03503299942531157284e-03,'host','2026-11-28T01:52:26.940428+00:00','complete',NULL,'{"peak_rate": {"value": 50.0}, "rate_E": {"value": 14.75, "support": 40.0, "error": 0.9075890858301175}, "rate_sd_E": {"value": 5.7400973814664455, "support": 40.0, "error": 0.6154494178446678}, "silent_fraction_E": {"value": 0.0, "support": 40.0, "error": 0.0, "note": "a single spike is 2.5 Hz in so short a measurement"}, "cv_E": {"value": 0.5812141751156552, "support": 1.0, "note": "only 2% of the neurons have 10 intervals"}, "cv2_E": {"value": 1.05711620704484, "support": 38.0, "error": 0.05390016910564741}, "lv_E": {"value": 1.108718051483372, "support": 38.0, "error": 0.09565500102994505}, "lvr_E": {"value": 1.4889874000492076, "support": 38.0, "error": 0.13530593102894065}, "fano_E": {"value": null, "support": 0.0, "shortfall": 1.0, "note": "fewer than 2 windows of 400 ms"}, "correlation_E": {"value": 0.02280130293159609, "support": 36.0, "error": 0.0}, "synchrony_E": {"value": 0.05411950067421205, "support": 2.0, "error": 0.0010397039668578884}, "locking_E": {"value": 0.1483050847457627, "support": 236.0, "error": 0.01160905005308583, "note": "with so few spikes chance alone gives 0.16"}, "dwell_time": {"value": 65.0, "support": 0.0, "lower_bound": true, "note": "lower bound: no up-state ended"}, "active_clusters": {"value": 0.1625, "support": 1.0, "error": 0.16250000000000003}, "switching_rate": {"value": 1.25, "support": 1.0, "error": 1.25}}','lab.observations/cb17e0f8-d244-4190-9c92-9b783fecbcdb-1-0.npz','727987974a3db30c4248652115c5c823b88e2d24a3448ff1c02a8df3bcf3d59b',NULL);
INSERT INTO "calibrate_simulation" VALUES(3,1,'b108bdc2-77ae-4055-98ab-2c23666c5e7b',2,2,1,0,'{"drive": 2.3797918300434753}',1897298941,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',400.0,8.5358199976326432079e-04,'host','2026-11-28T01:52:28.036635+00:00','complete',NULL,'{"peak_rate": {"value": 40.0}, "rate_E": {"value": 10.8125, "support": 40.0, "error": 0.5758737786827587}, "rate_sd_E": {"value": 3.6421455708104746, "support": 40.0, "error": 0.4900834490830447}, "silent_fraction_E": {"value": 0.0, "support": 40.0, "error": 0.0, "note": "a single spike is 2.5 Hz in so short a measurement"}, "cv_E": {"value": null, "support": 0.0, "shortfall": 0.1971590909090909, "note": "no neuron has 10 intervals"}, "cv2_E": {"value": 0.9634481752335293, "support": 37.0, "error": 0.06557032344596733}, "lv_E": {"value": 0.8885252163835973, "support": 37.0, "error": 0.10021652895265132}, "lvr_E": {"value": 1.056463511948544, "support": 37.0, "error": 0.1150232772608629}, "fano_E": {"value": null, "support": 0.0, "shortfall": 1.0, "note": "fewer than 2 windows of 400 ms"}, "correlation_E": {"value": -0.025, "support": 32.0, "error": 0.0}, "synchrony_E": {"value": 0.04590989022621553, "support": 2.0, "error": 0.002026790996491914}, "locking_E": {"value": 0.18497109826589594, "support": 173.0, "error": 0.019838810912234342, "note": "with so few spikes chance alone gives 0.19"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.3142470024531575, "note": "no up-state; the highest smoothed rate of a cluster is 14.9 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0, "error": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0, "error": 0.0}}','lab.observations/b108bdc2-77ae-4055-98ab-2c23666c5e7b-1-0.npz','7ab2ed6a956504065130ba0508711a67cffc12641fd0598cc1cc75a295e1a9de',NULL);
INSERT INTO "calibrate_simulation" VALUES(4,1,'ddc86f07-66c0-4dc3-8307-98ac7d8e1560',3,3,1,0,'{"drive": 2.7573694319289213}',4286071652,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',400.0,0.000883048000105191,'host','2026-11-28T01:52:28.045736+00:00','complete',NULL,'{"peak_rate": {"value": 50.0}, "rate_E": {"value": 14.3125, "support": 40.0, "error": 1.1841213744744157}, "rate_sd_E": {"value": 7.489041138856641, "support": 40.0, "error": 0.5852408137609891}, "silent_fraction_E": {"value": 0.0, "support": 40.0, "error": 0.0, "note": "a single spike is 2.5 Hz in so short a measurement"}, "cv_E": {"value": 0.6694474988361678, "support": 3.0, "error": 0.06881056054539103, "note": "only 8% of the neurons have 10 intervals"}, "cv2_E": {"value": 1.0065227163846782, "support": 33.0, "error": 0.07354232639291536}, "lv_E": {"value": 1.034856824934331, "support": 33.0, "error": 0.12038362885755967}, "lvr_E": {"value": 1.3280841936242596, "support": 33.0, "error": 0.14405680406706145}, "fano_E": {"value": null, "support": 0.0, "shortfall": 1.0, "note": "fewer than 2 windows of 400 ms"}, "correlation_E": {"value": -0.057777777777777775, "support": 31.0, "error": 0.0}, "synchrony_E": {"value": 0.050082904573105866, "support": 2.0, "error": 0.0006690125666212638}, "locking_E": {"value": 0.1572052401746725, "support": 229.0, "error": 0.012137271756186055, "note": "with so few spikes chance alone gives 0.16"}, "dwell_time": {"value": 110.0, "support": 1.0, "error": 110.0}, "active_clusters": {"value": 0.275, "support": 1.0, "error": 0.275}, "switching_rate": {"value": 1.25, "support": 1.0, "error": 1.25}}','lab.observations/ddc86f07-66c0-4dc3-8307-98ac7d8e1560-1-0.npz','f976127b912643071a568ec389fce559f4502b4191594508b7a45937c455d8a1',NULL);
INSERT INTO "calibrate_simulation" VALUES(5,1,'8a4964b4-8f3c-4135-9c87-b1280ce7cc0d',4,4,1,0,'{"drive": 2.9696897044100217}',3340895419,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',400.0,5.08642100066936109215e-03,'host','2026-11-28T01:52:28.141042+00:00','complete',NULL,'{"peak_rate": {"value": 50.0}, "rate_E": {"value": 14.4375, "support": 40.0, "error": 0.8372703473880969}, "rate_sd_E": {"value": 5.295362630133595, "support": 40.0, "error": 0.5769627286056275}, "silent_fraction_E": {"value": 0.025, "support": 40.0, "error": 0.025, "note": "a single spike is 2.5 Hz in so short a measurement"}, "cv_E": {"value": null, "support": 0.0, "shortfall": 0.14147727272727273, "note": "no neuron has 10 intervals"}, "cv2_E": {"value": 1.0711385150176587, "support": 38.0, "error": 0.06005128959011481}, "lv_E": {"value": 1.095454761789291, "support": 38.0, "error": 0.10161085931902822}, "lvr_E": {"value": 1.3529710599225575, "support": 38.0, "error": 0.12697537747778373}, "fano_E": {"value": null, "support": 0.0, "shortfall": 1.0, "note": "fewer than 2 windows of 400 ms"}, "correlation_E": {"value": 0.0, "support": 29.0, "error": 0.0}, "synchrony_E": {"value": 0.04768156219044794, "support": 2.0, "error": 0.000959173009381066}, "locking_E": {"value": 0.15584415584415584, "support": 231.0, "error": 0.012194959759320308, "note": "with so few spikes chance alone gives 0.16"}, "dwell_time": {"value": 55.0, "support": 1.0, "error": 55.0}, "active_clusters": {"value": 0.1375, "support": 1.0, "error": 0.1375}, "switching_rate": {"value": 1.25, "support": 1.0, "error": 1.25}}','lab.observations/8a4964b4-8f3c-4135-9c87-b1280ce7cc0d-1-0.npz','e6a5f111437a60425ff710816c44edf367a8b8334d502ac3b6f95298da921f4b',NULL);
INSERT INTO "calibrate_simulation" VALUES(6,1,'e04d9044-c11e-4ceb-b37e-4b2fb2ea866a',5,5,1,0,'{"drive": 2.6748588029848346}',3170113304,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',400.0,8.44455999867932405322e-04,'host','2026-11-28T01:52:28.150009+00:00','complete',NULL,'{"peak_rate": {"value": 50.0}, "rate_E": {"value": 14.1875, "support": 40.0, "error": 0.9862333648787187}, "rate_sd_E": {"value": 6.237487474937325, "support": 40.0, "error": 0.769594780380122}, "silent_fraction_E": {"value": 0.0, "support": 40.0, "error": 0.0, "note": "a single spike is 2.5 Hz in so short a measurement"}, "cv_E": {"value": 0.8153171464218077, "support": 1.0, "note": "only 2% of the neurons have 10 intervals"}, "cv2_E": {"value": 0.9263528454226956, "support": 36.0, "error": 0.04456995415769307}, "lv_E": {"value": 0.864203698656304, "support": 36.0, "error": 0.06919186625723729}, "lvr_E": {"value": 1.10298676623266, "support": 36.0, "error": 0.09256847176449758}, "fano_E": {"value": null, "support": 0.0, "shortfall": 1.0, "note": "fewer than 2 windows of 400 ms"}, "correlation_E": {"value": 0.06748466257668712, "support": 37.0, "error": 0.0}, "synchrony_E": {"value": 0.04913415296498134, "support": 2.0, "error": 0.005534414390685082}, "locking_E": {"value": 0.14977973568281938, "support": 227.0, "error": 0.012725455087996686, "note": "with so few spikes chance alone gives 0.16"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.26484158727405754, "note": "no up-state; the highest smoothed rate of a cluster is 18.8 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0, "error": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0, "error": 0.0}}','lab.observations/e04d9044-c11e-4ceb-b37e-4b2fb2ea866a-1-0.npz','d1846db13e6fb7ca73faa3a9349f0d9810dc101dba3c1db29f8e1aaea0baeab3',NULL);
CREATE TABLE calibrate_study (
	id INTEGER NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	content JSON NOT NULL, 
	text TEXT NOT NULL, 
	created VARCHAR(40) NOT NULL, 
	versions JSON NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "calibrate_study" VALUES(1,'lab','60265bd0b1bff55a0e5016fe528777e7d5e3cf66832d4dbcb0f1452c19faee29','{"replicates": {"confirm": 0}, "study": {"seed": 3}, "model": {"name": "own.py:lab"}, "parameters": {"drive": {"low": 0.5, "high": 3.0, "step": null, "log": false, "integer": false, "points": null}}, "simulation": {"backend": "poisson", "dt_ms": 1.0, "warmup_ms": 0.0, "duration_ms": 400.0, "precision": "single"}, "objectives": {"peak_rate": {"statistic": "own.py:peak_rate", "options": {}, "target": 60.0, "tolerance": 20.0, "weight": 1.0}, "rate_E": {"statistic": "rate_E", "options": {}, "target": 20.0, "tolerance": 5.0, "weight": 1.0}}, "sampler": {"name": "random"}, "files": {"own.py": "269c3df868a56da58622099847f0c8b93950ec41373140f455a825dcbdd5533a"}}','[study]
seed = 3

[model]
name = "own.py:lab"

[parameters]
drive = { low = 0.5, high = 3.0 }

[simulation]
backend = "poisson"
dt_ms = 1.0
warmup_ms = 0.0
duration_ms = 400.0

[[objectives]]
statistic = "own.py:peak_rate"
target = 60.0
tolerance = 20.0

[[objectives]]
statistic = "rate_E"
target = 20.0
tolerance = 5.0

[sampler]
name = "random"

[replicates]
confirm = 0
fresh = 0

[budget]
trials = 6
','2026-11-28T01:52:25+00:00','{"calibrate-snn": "0.1.0", "optuna": "5.0.0", "numpy": "2.4.6"}');
CREATE TABLE calibrate_verdict (
	id INTEGER NOT NULL, 
	study INTEGER NOT NULL, 
	trial INTEGER NOT NULL, 
	exact INTEGER NOT NULL, 
	verdict VARCHAR(16) NOT NULL, 
	finished VARCHAR(40) NOT NULL, 
	content JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(study) REFERENCES calibrate_study (id)
);
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'lab');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MINIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["loss"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'drive',1.40574746901434610713e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,2,'drive',2.89908179913933183868e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(3,3,'drive',2.37979183004347527585e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(4,4,'drive',2.75736943192892125509e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(5,5,'drive',2.96968970441002166893e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(6,6,'drive',2.67485880298483458261e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 3.0, "log": false}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,2,'artifacts:b73a9cb7-d63d-4827-a357-d39bc1d7c9d7','"{\"artifact_id\": \"b73a9cb7-d63d-4827-a357-d39bc1d7c9d7\", \"filename\": \"activity.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(2,2,'artifacts:c52f31fc-5ac2-490c-a5d8-05e0ef3503dd','"{\"artifact_id\": \"c52f31fc-5ac2-490c-a5d8-05e0ef3503dd\", \"filename\": \"statistics.json\", \"mimetype\": \"application/json\", \"encoding\": null}"');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'index','0');
INSERT INTO "trial_user_attributes" VALUES(2,1,'uuid','"95380bb4-0e9b-4ae2-b071-bad50db904e8"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'peak_rate','40.0');
INSERT INTO "trial_user_attributes" VALUES(4,1,'rate_E','6.8125');
INSERT INTO "trial_user_attributes" VALUES(5,1,'stage','1');
INSERT INTO "trial_user_attributes" VALUES(6,1,'graphs','1');
INSERT INTO "trial_user_attributes" VALUES(7,2,'index','1');
INSERT INTO "trial_user_attributes" VALUES(8,2,'uuid','"cb17e0f8-d244-4190-9c92-9b783fecbcdb"');
INSERT INTO "trial_user_attributes" VALUES(9,2,'peak_rate','50.0');
INSERT INTO "trial_user_attributes" VALUES(10,2,'rate_E','14.75');
INSERT INTO "trial_user_attributes" VALUES(11,2,'stage','1');
INSERT INTO "trial_user_attributes" VALUES(12,2,'graphs','1');
INSERT INTO "trial_user_attributes" VALUES(13,3,'index','2');
INSERT INTO "trial_user_attributes" VALUES(14,3,'uuid','"b108bdc2-77ae-4055-98ab-2c23666c5e7b"');
INSERT INTO "trial_user_attributes" VALUES(15,3,'peak_rate','40.0');
INSERT INTO "trial_user_attributes" VALUES(16,3,'rate_E','10.8125');
INSERT INTO "trial_user_attributes" VALUES(17,3,'stage','1');
INSERT INTO "trial_user_attributes" VALUES(18,3,'graphs','1');
INSERT INTO "trial_user_attributes" VALUES(19,4,'index','3');
INSERT INTO "trial_user_attributes" VALUES(20,4,'uuid','"ddc86f07-66c0-4dc3-8307-98ac7d8e1560"');
INSERT INTO "trial_user_attributes" VALUES(21,4,'peak_rate','50.0');
INSERT INTO "trial_user_attributes" VALUES(22,4,'rate_E','14.3125');
INSERT INTO "trial_user_attributes" VALUES(23,4,'stage','1');
INSERT INTO "trial_user_attributes" VALUES(24,4,'graphs','1');
INSERT INTO "trial_user_attributes" VALUES(25,5,'index','4');
INSERT INTO "trial_user_attributes" VALUES(26,5,'uuid','"8a4964b4-8f3c-4135-9c87-b1280ce7cc0d"');
INSERT INTO "trial_user_attributes" VALUES(27,5,'peak_rate','50.0');
INSERT INTO "trial_user_attributes" VALUES(28,5,'rate_E','14.4375');
INSERT INTO "trial_user_attributes" VALUES(29,5,'stage','1');
INSERT INTO "trial_user_attributes" VALUES(30,5,'graphs','1');
INSERT INTO "trial_user_attributes" VALUES(31,6,'index','5');
INSERT INTO "trial_user_attributes" VALUES(32,6,'uuid','"e04d9044-c11e-4ceb-b37e-4b2fb2ea866a"');
INSERT INTO "trial_user_attributes" VALUES(33,6,'peak_rate','50.0');
INSERT INTO "trial_user_attributes" VALUES(34,6,'rate_E','14.1875');
INSERT INTO "trial_user_attributes" VALUES(35,6,'stage','1');
INSERT INTO "trial_user_attributes" VALUES(36,6,'graphs','1');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,3.97820312500000028421e+00,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.67625,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,2.188203125,'FINITE');
INSERT INTO "trial_values" VALUES(4,4,0,7.71953124999999906741e-01,'FINITE');
INSERT INTO "trial_values" VALUES(5,5,0,7.43828125000000062172e-01,'FINITE');
INSERT INTO "trial_values" VALUES(6,6,0,8.00703125000000071054e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-28 01:52:25.797435','2026-11-28 01:52:27.933004');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-28 01:52:25.797435','2026-11-28 01:52:27.933047');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-28 01:52:28.019559','2026-11-28 01:52:28.053503');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-28 01:52:28.019559','2026-11-28 01:52:28.053537');
INSERT INTO "trials" VALUES(5,4,1,'COMPLETE','2026-11-28 01:52:28.130336','2026-11-28 01:52:28.157917');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-28 01:52:28.130336','2026-11-28 01:52:28.157949');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE INDEX calibrate_simulation_by_trial ON calibrate_simulation (study, trial);
CREATE INDEX ix_calibrate_simulation_study ON calibrate_simulation (study);
CREATE INDEX calibrate_simulation_by_candidate ON calibrate_simulation (study, candidate);
CREATE INDEX ix_calibrate_coordinator_study ON calibrate_coordinator (study);
CREATE INDEX ix_calibrate_verdict_study ON calibrate_verdict (study);
CREATE INDEX ix_calibrate_claim_coordinator ON calibrate_claim (coordinator);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
