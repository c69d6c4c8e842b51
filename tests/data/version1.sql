BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE calibrate_schema (
	version INTEGER NOT NULL
);
INSERT INTO "calibrate_schema" VALUES(1);
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
	PRIMARY KEY (id), 
	UNIQUE (study, uuid, stage, realisation), 
	FOREIGN KEY(study) REFERENCES calibrate_study (id)
);
INSERT INTO "calibrate_simulation" VALUES(1,1,'8c8b5d9c-cc81-4ebe-a155-5ad466d49daa',0,0,1,0,'{"I_th_E": 2.6892357632517814, "I_th_I": 1.2965510826557876}',393969088,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',1000.0,6.73843500044313259422e-03,'a-computer','2026-11-24T02:06:41.892943+00:00','complete',NULL,'{"rate_E": {"value": 13.716666666666667, "support": 120.0}, "cv_E": {"value": 0.8881902571383119, "support": 97.0}, "cv2_E": {"value": 0.9986054582105677, "support": 120.0}, "lv_E": {"value": 0.9909444395905241, "support": 120.0}, "fano_E": {"value": 1.22022459022459, "support": 120.0}, "synchrony_E": {"value": 0.023521285930996755, "support": 3.0}, "locking_E": {"value": 0.1117861482381531, "support": 1646.0}, "rate_I": {"value": 6.2, "support": 30.0}, "cv_I": {"value": 0.855415567317447, "support": 2.0, "note": "only 7% of the neurons have 10 intervals"}, "cv2_I": {"value": 0.9091278980786759, "support": 27.0}, "lv_I": {"value": 0.8684377241170849, "support": 27.0}, "fano_I": {"value": 0.8999452654625069, "support": 29.0}, "synchrony_I": {"value": 0.09867694033162479, "support": 3.0}, "locking_I": {"value": 0.3010752688172043, "support": 186.0, "note": "with so few spikes chance alone gives 0.29"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.2759873377610208, "note": "no up-state; the highest smoothed rate of a cluster is 17.9 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0}, "dwell_time_I": {"value": null, "support": 0.0, "shortfall": 0.3106778579083469, "note": "no up-state; the highest smoothed rate of a cluster is 15.1 Hz"}, "active_clusters_I": {"value": 0.0, "support": 0.0}, "switching_rate_I": {"value": 0.0, "support": 0.0}}',NULL,NULL);
INSERT INTO "calibrate_simulation" VALUES(2,1,'dc2a8c2f-534b-44d5-a397-9ad40047387c',1,1,1,0,'{"I_th_E": 1.8228669913485644, "I_th_I": 1.0747987843118607}',1834709978,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',1000.0,5.86615900101605802774e-03,'a-computer','2026-11-24T02:06:41.981314+00:00','complete',NULL,'{"rate_E": {"value": 9.125, "support": 120.0}, "cv_E": {"value": 0.8459029469612974, "support": 38.0, "note": "only 32% of the neurons have 10 intervals"}, "cv2_E": {"value": 0.9858282503800925, "support": 120.0}, "lv_E": {"value": 0.9591496302188124, "support": 120.0}, "fano_E": {"value": 1.0371706071706073, "support": 120.0}, "synchrony_E": {"value": 0.026157825602090384, "support": 3.0}, "locking_E": {"value": 0.13607305936073058, "support": 1095.0}, "rate_I": {"value": 6.033333333333333, "support": 30.0}, "cv_I": {"value": 0.6746894806948862, "support": 1.0, "note": "only 3% of the neurons have 10 intervals"}, "cv2_I": {"value": 0.996216656000175, "support": 28.0}, "lv_I": {"value": 1.0055237537066049, "support": 28.0}, "fano_I": {"value": 0.9287830687830688, "support": 30.0}, "synchrony_I": {"value": 0.09663318776394413, "support": 3.0}, "locking_I": {"value": 0.27624309392265195, "support": 181.0, "note": "with so few spikes chance alone gives 0.29"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.3269066260240678, "note": "no up-state; the highest smoothed rate of a cluster is 13.8 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0}, "dwell_time_I": {"value": null, "support": 0.0, "shortfall": 0.3175678701101109, "note": "no up-state; the highest smoothed rate of a cluster is 14.6 Hz"}, "active_clusters_I": {"value": 0.0, "support": 0.0}, "switching_rate_I": {"value": 0.0, "support": 0.0}}',NULL,NULL);
INSERT INTO "calibrate_simulation" VALUES(3,1,'3e9fcf1c-2483-4fc6-bf05-ff95fe8e8c6b',2,2,1,0,'{"I_th_E": 1.36388731431216, "I_th_I": 1.3780925702303648}',856967280,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',1000.0,1.78366799809737130999e-03,'a-computer','2026-11-24T02:06:42.004807+00:00','complete',NULL,'{"rate_E": {"value": 7.108333333333333, "support": 120.0}, "cv_E": {"value": 0.8762221701864434, "support": 13.0, "note": "only 11% of the neurons have 10 intervals"}, "cv2_E": {"value": 0.9717622249217938, "support": 118.0}, "lv_E": {"value": 0.9617872393399465, "support": 118.0}, "fano_E": {"value": 1.188481888481888, "support": 117.0}, "synchrony_E": {"value": 0.02496086680769563, "support": 3.0}, "locking_E": {"value": 0.1336459554513482, "support": 853.0}, "rate_I": {"value": 7.533333333333333, "support": 30.0}, "cv_I": {"value": 0.9043658152071498, "support": 4.0, "note": "only 13% of the neurons have 10 intervals"}, "cv2_I": {"value": 1.0262795152431556, "support": 29.0}, "lv_I": {"value": 1.0503305741898148, "support": 29.0}, "fano_I": {"value": 1.0239587998208686, "support": 29.0}, "synchrony_I": {"value": 0.09909857062607098, "support": 3.0}, "locking_I": {"value": 0.24778761061946902, "support": 226.0, "note": "with so few spikes chance alone gives 0.25"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.3549865150496204, "note": "no up-state; the highest smoothed rate of a cluster is 11.6 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0}, "dwell_time_I": {"value": null, "support": 0.0, "shortfall": 0.255745470148127, "note": "no up-state; the highest smoothed rate of a cluster is 19.5 Hz"}, "active_clusters_I": {"value": 0.0, "support": 0.0}, "switching_rate_I": {"value": 0.0, "support": 0.0}}',NULL,NULL);
INSERT INTO "calibrate_simulation" VALUES(4,1,'51653b92-7565-4a4b-a544-21b7b55a7d22',3,3,1,0,'{"I_th_E": 2.644419699144367, "I_th_I": 1.464374432405633}',31412511,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',1000.0,1.88251500003389082849e-03,'a-computer','2026-11-24T02:06:42.037054+00:00','complete',NULL,'{"rate_E": {"value": 13.825, "support": 120.0}, "cv_E": {"value": 0.9275164225735126, "support": 100.0}, "cv2_E": {"value": 0.9997249479432333, "support": 120.0}, "lv_E": {"value": 0.9866740820233549, "support": 120.0}, "fano_E": {"value": 1.17392799738388, "support": 120.0}, "synchrony_E": {"value": 0.024965493486604873, "support": 3.0}, "locking_E": {"value": 0.11030741410488246, "support": 1659.0}, "rate_I": {"value": 7.133333333333334, "support": 30.0}, "cv_I": {"value": 0.840210884925743, "support": 2.0, "note": "only 7% of the neurons have 10 intervals"}, "cv2_I": {"value": 0.9286083165974052, "support": 28.0}, "lv_I": {"value": 0.897035790026705, "support": 28.0}, "fano_I": {"value": 1.3232190842738512, "support": 29.0}, "synchrony_I": {"value": 0.10250089275546907, "support": 3.0}, "locking_I": {"value": 0.2570093457943925, "support": 214.0, "note": "with so few spikes chance alone gives 0.26"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.2633371597060797, "note": "no up-state; the highest smoothed rate of a cluster is 18.9 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0}, "dwell_time_I": {"value": null, "support": 0.0, "shortfall": 0.30302250455425744, "note": "no up-state; the highest smoothed rate of a cluster is 15.8 Hz"}, "active_clusters_I": {"value": 0.0, "support": 0.0}, "switching_rate_I": {"value": 0.0, "support": 0.0}}',NULL,NULL);
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
INSERT INTO "calibrate_study" VALUES(1,'version1','4372fc5e8552e277d3c3400f991ca3dced64d87005c2f2fa116d2529b6bdb909','{"study": {"seed": 7}, "model": {"name": "ei_clustered"}, "parameters": {"N_E": 120, "N_I": 30, "N_Q": 3, "I_th_E": {"low": 1.2, "high": 3.0, "step": null, "log": false, "integer": false, "points": null}, "I_th_I": {"low": 0.7, "high": 1.6, "step": null, "log": false, "integer": false, "points": null}}, "simulation": {"backend": "poisson", "dt_ms": 1.0, "warmup_ms": 0.0, "duration_ms": 1000.0, "precision": "single"}, "objectives": {"rate_E": {"statistic": "rate_E", "target": 40.0, "tolerance": 10.0, "weight": 1.0, "options": {}}}, "sampler": {"name": "tpe", "startup": 3, "candidates": 24, "history": 1000, "multivariate": true}, "files": {}}','# A study of version 1 of the tables: its database is version1.sql.
[study]
seed = 7

[model]
name = "ei_clustered"

[parameters]
N_E = 120
N_I = 30
N_Q = 3
I_th_E = { low = 1.2, high = 3.0 }
I_th_I = { low = 0.7, high = 1.6 }

[simulation]
backend = "poisson"
dt_ms = 1.0
warmup_ms = 0.0
duration_ms = 1000.0

[[objectives]]
statistic = "rate_E"
target = 40.0
tolerance = 10.0

[sampler]
name = "tpe"
startup = 3

[budget]
trials = 4

[storage]
observations = false
','2026-11-24T02:06:40+00:00','{"calibrate-snn": "0.1.0", "optuna": "5.0.0", "numpy": "2.4.6"}');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'version1');
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
INSERT INTO "trial_params" VALUES(1,1,'I_th_E',2.6892357632517813748e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.2, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,1,'I_th_I',1.29655108265578755677e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.7, "high": 1.6, "log": false}}');
INSERT INTO "trial_params" VALUES(3,2,'I_th_E',1.82286699134856444715e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.2, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(4,2,'I_th_I',1.07479878431186071097e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.7, "high": 1.6, "log": false}}');
INSERT INTO "trial_params" VALUES(5,3,'I_th_E',1.36388731431216,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.2, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(6,3,'I_th_I',1.37809257023036479949e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.7, "high": 1.6, "log": false}}');
INSERT INTO "trial_params" VALUES(7,4,'I_th_E',2.64441969914436691979e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.2, "high": 3.0, "log": false}}');
INSERT INTO "trial_params" VALUES(8,4,'I_th_I',1.46437443240563291979e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.7, "high": 1.6, "log": false}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
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
INSERT INTO "trial_user_attributes" VALUES(2,1,'uuid','"8c8b5d9c-cc81-4ebe-a155-5ad466d49daa"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'seed','393969088');
INSERT INTO "trial_user_attributes" VALUES(4,1,'rate_E','13.716666666666667');
INSERT INTO "trial_user_attributes" VALUES(5,2,'index','1');
INSERT INTO "trial_user_attributes" VALUES(6,2,'uuid','"dc2a8c2f-534b-44d5-a397-9ad40047387c"');
INSERT INTO "trial_user_attributes" VALUES(7,2,'seed','1834709978');
INSERT INTO "trial_user_attributes" VALUES(8,2,'rate_E','9.125');
INSERT INTO "trial_user_attributes" VALUES(9,3,'index','2');
INSERT INTO "trial_user_attributes" VALUES(10,3,'uuid','"3e9fcf1c-2483-4fc6-bf05-ff95fe8e8c6b"');
INSERT INTO "trial_user_attributes" VALUES(11,3,'seed','856967280');
INSERT INTO "trial_user_attributes" VALUES(12,3,'rate_E','7.108333333333333');
INSERT INTO "trial_user_attributes" VALUES(13,4,'index','3');
INSERT INTO "trial_user_attributes" VALUES(14,4,'uuid','"51653b92-7565-4a4b-a544-21b7b55a7d22"');
INSERT INTO "trial_user_attributes" VALUES(15,4,'seed','31412511');
INSERT INTO "trial_user_attributes" VALUES(16,4,'rate_E','13.825');
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
INSERT INTO "trial_values" VALUES(1,1,0,6.90813611111110947859e+00,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,9.53265624999999872102e+00,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,1.08186173611111104976e+01,'FINITE');
INSERT INTO "trial_values" VALUES(4,4,0,6.85130625000000126334e+00,'FINITE');
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
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-24 02:06:41.586792','2026-11-24 02:06:41.900213');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-24 02:06:41.970850','2026-11-24 02:06:41.983008');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-24 02:06:41.993052','2026-11-24 02:06:42.006448');
INSERT INTO "trials" VALUES(4,3,1,'COMPLETE','2026-11-24 02:06:42.020781','2026-11-24 02:06:42.038790');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE INDEX ix_calibrate_simulation_study ON calibrate_simulation (study);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
