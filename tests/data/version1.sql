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
INSERT INTO "calibrate_simulation" VALUES(1,1,'d314c7df-b4ca-48a0-afe0-c7e82209b4c8',0,0,1,0,'{"I_th_E": 1.7353561627656653, "I_th_I": 1.3894107075981443}',4088532484,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',2000.0,6.3611849982407875359e-03,'a-host','2026-11-24T02:03:57.756602+00:00','complete',NULL,'{"rate_E": {"value": 8.7875, "support": 40.0}, "cv_E": {"value": 0.8671930371408038, "support": 39.0}, "cv2_E": {"value": 0.9766858438387711, "support": 40.0}, "lv_E": {"value": 0.9493339274237543, "support": 40.0}, "fano_E": {"value": 1.0735818475309091, "support": 40.0}, "synchrony_E": {"value": 0.049818805781265574, "support": 2.0}, "locking_E": {"value": 0.2034139402560455, "support": 703.0, "note": "with so few spikes chance alone gives 0.20"}, "rate_I": {"value": 6.75, "support": 10.0}, "cv_I": {"value": 0.8498709683090432, "support": 9.0}, "cv2_I": {"value": 0.903228767761625, "support": 10.0}, "lv_I": {"value": 0.8555628364947534, "support": 10.0}, "fano_I": {"value": 0.8379996229260935, "support": 10.0}, "synchrony_I": {"value": 0.2033952100844778, "support": 2.0}, "locking_I": {"value": 0.4222222222222222, "support": 135.0, "note": "with so few spikes chance alone gives 0.43"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.29944781201638637, "note": "no up-state; the highest smoothed rate of a cluster is 16 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0}, "dwell_time_I": {"value": 65.0, "support": 1.0}, "active_clusters_I": {"value": 0.0325, "support": 1.0}, "switching_rate_I": {"value": 0.25, "support": 1.0}}',NULL,NULL);
INSERT INTO "calibrate_simulation" VALUES(2,1,'c92a5466-4edd-45e2-a812-d1123dc79e69',1,1,1,0,'{"I_th_E": 1.2311698118102, "I_th_I": 0.8433632252765331}',3581274545,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',2000.0,6.58074999955715611577e-03,'a-host','2026-11-24T02:03:57.811012+00:00','complete',NULL,'{"rate_E": {"value": 6.2625, "support": 40.0}, "cv_E": {"value": 0.8831434720725007, "support": 30.0}, "cv2_E": {"value": 0.973158776266723, "support": 40.0}, "lv_E": {"value": 0.9790330808182788, "support": 40.0}, "fano_E": {"value": 1.0172912874127076, "support": 40.0}, "synchrony_E": {"value": 0.04910684341330633, "support": 2.0}, "locking_E": {"value": 0.2275449101796407, "support": 501.0, "note": "with so few spikes chance alone gives 0.23"}, "rate_I": {"value": 3.65, "support": 10.0}, "cv_I": {"value": 0.9137854915298752, "support": 1.0, "note": "only 10% of the neurons have 10 intervals"}, "cv2_I": {"value": 1.012792292117604, "support": 9.0}, "lv_I": {"value": 1.0309070384172412, "support": 9.0}, "fano_I": {"value": 0.7886604136604137, "support": 9.0}, "synchrony_I": {"value": 0.20537525739443596, "support": 2.0}, "locking_I": {"value": 0.726027397260274, "support": 73.0, "note": "with so few spikes chance alone gives 0.72"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.34806145037709, "note": "no up-state; the highest smoothed rate of a cluster is 12.2 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0}, "dwell_time_I": {"value": null, "support": 0.0, "shortfall": 0.34229097888656923, "note": "no up-state; the highest smoothed rate of a cluster is 12.6 Hz"}, "active_clusters_I": {"value": 0.0, "support": 0.0}, "switching_rate_I": {"value": 0.0, "support": 0.0}}',NULL,NULL);
INSERT INTO "calibrate_simulation" VALUES(3,1,'7cc7c23f-1b66-443e-8115-5548eb326597',3,NULL,1,0,'{"I_th_E": 1.6971958492213801, "I_th_I": 1.3927511963739272}',4023748921,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',2000.0,1.17400299859582446515e-03,'a-host','2026-11-24T02:03:57.854157+00:00','complete',NULL,'{"rate_E": {"value": 8.5, "support": 40.0}, "cv_E": {"value": 0.8527183110901749, "support": 38.0}, "cv2_E": {"value": 0.9820164595223246, "support": 40.0}, "lv_E": {"value": 0.9565572676634897, "support": 40.0}, "fano_E": {"value": 0.9316410990540248, "support": 40.0}, "synchrony_E": {"value": 0.04789746787000084, "support": 2.0}, "locking_E": {"value": 0.18382352941176472, "support": 680.0, "note": "with so few spikes chance alone gives 0.20"}, "rate_I": {"value": 7.45, "support": 10.0}, "cv_I": {"value": 0.9210218534010833, "support": 10.0}, "cv2_I": {"value": 1.0725338874318457, "support": 10.0}, "lv_I": {"value": 1.1079626515318854, "support": 10.0}, "fano_I": {"value": 1.1784056425600542, "support": 10.0}, "synchrony_I": {"value": 0.20967575756988288, "support": 2.0}, "locking_I": {"value": 0.40939597315436244, "support": 149.0, "note": "with so few spikes chance alone gives 0.41"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.3135559452808377, "note": "no up-state; the highest smoothed rate of a cluster is 14.9 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0}, "dwell_time_I": {"value": 50.0, "support": 1.0}, "active_clusters_I": {"value": 0.025, "support": 1.0}, "switching_rate_I": {"value": 0.25, "support": 1.0}}',NULL,NULL);
INSERT INTO "calibrate_simulation" VALUES(4,1,'8d8c4086-ecf6-4e2f-b34e-0ca1e579d919',2,2,1,0,'{"I_th_E": 1.9479501460588602, "I_th_I": 1.4386845813670992}',1008912121,'{"name": "poisson", "version": "1", "device": "cpu", "precision": "double"}',2000.0,1.70202699882793240249e-03,'a-host','2026-11-24T02:03:57.860579+00:00','complete',NULL,'{"rate_E": {"value": 9.575, "support": 40.0}, "cv_E": {"value": 0.9279271764992265, "support": 39.0}, "cv2_E": {"value": 0.9988336703062478, "support": 40.0}, "lv_E": {"value": 0.9990877287075012, "support": 40.0}, "fano_E": {"value": 1.014564860063939, "support": 40.0}, "synchrony_E": {"value": 0.049534038803614844, "support": 2.0}, "locking_E": {"value": 0.20365535248041775, "support": 766.0, "note": "with so few spikes chance alone gives 0.20"}, "rate_I": {"value": 7.0, "support": 10.0}, "cv_I": {"value": 0.7843850086091533, "support": 9.0}, "cv2_I": {"value": 0.9768026041705644, "support": 10.0}, "lv_I": {"value": 0.9992559412548342, "support": 10.0}, "fano_I": {"value": 0.8697333916083915, "support": 10.0}, "synchrony_I": {"value": 0.2031556503186078, "support": 2.0}, "locking_I": {"value": 0.4142857142857143, "support": 140.0, "note": "with so few spikes chance alone gives 0.42"}, "dwell_time": {"value": null, "support": 0.0, "shortfall": 0.2919673389486236, "note": "no up-state; the highest smoothed rate of a cluster is 16.6 Hz"}, "active_clusters": {"value": 0.0, "support": 0.0}, "switching_rate": {"value": 0.0, "support": 0.0}, "dwell_time_I": {"value": null, "support": 0.0, "shortfall": 0.261382156496066, "note": "no up-state; the highest smoothed rate of a cluster is 19.1 Hz"}, "active_clusters_I": {"value": 0.0, "support": 0.0}, "switching_rate_I": {"value": 0.0, "support": 0.0}}',NULL,NULL);
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
INSERT INTO "calibrate_study" VALUES(1,'version1','1d77ffc1543d3545593e89124cf4d0fd266a01088408fbff3b471dd90f3688ef','{"study": {"seed": 0}, "model": {"name": "ei_clustered"}, "parameters": {"N_E": 40, "N_I": 10, "N_Q": 2, "I_th_E": {"low": 1.0, "high": 2.0, "step": null, "log": false, "integer": false, "points": null}, "I_th_I": {"low": 0.5, "high": 1.5, "step": null, "log": false, "integer": false, "points": null}}, "simulation": {"backend": "poisson", "dt_ms": 0.1, "warmup_ms": 0.0, "duration_ms": 2000.0, "precision": "single"}, "objectives": {"rate_E": {"statistic": "rate_E", "target": 6.0, "tolerance": 1.0, "weight": 1.0, "options": {}}}, "sampler": {"name": "random"}, "files": {}}','# A study as version 1 of the tables had it; tests/data/version1.sql is its database after 4 trials.

[model]
name = "ei_clustered"

[parameters]
N_E = 40
N_I = 10
N_Q = 2
I_th_E = { low = 1.0, high = 2.0 }
I_th_I = { low = 0.5, high = 1.5 }

[simulation]
backend = "poisson"
warmup_ms = 0.0
duration_ms = 2000.0

[[objectives]]
statistic = "rate_E"
target = 6.0
tolerance = 1.0

[sampler]
name = "random"

[budget]
trials = 4

[storage]
observations = false
','2026-11-24T02:03:57+00:00','{"calibrate-snn": "0.1.0", "optuna": "5.0.0", "numpy": "2.4.6"}');
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
INSERT INTO "trial_params" VALUES(1,1,'I_th_E',1.73535616276566528881e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(2,1,'I_th_I',1.38941070759814433444e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(3,2,'I_th_E',1.2311698118102,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(4,2,'I_th_I',8.43363225276533068353e-01,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.5, "log": false}}');
INSERT INTO "trial_params" VALUES(5,3,'I_th_E',1.94795014605886018799e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 2.0, "log": false}}');
INSERT INTO "trial_params" VALUES(6,3,'I_th_I',1.43868458136709920225e+00,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.5, "high": 1.5, "log": false}}');
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
INSERT INTO "trial_user_attributes" VALUES(2,1,'uuid','"d314c7df-b4ca-48a0-afe0-c7e82209b4c8"');
INSERT INTO "trial_user_attributes" VALUES(3,1,'seed','4088532484');
INSERT INTO "trial_user_attributes" VALUES(4,1,'rate_E','8.7875');
INSERT INTO "trial_user_attributes" VALUES(5,2,'index','1');
INSERT INTO "trial_user_attributes" VALUES(6,2,'uuid','"c92a5466-4edd-45e2-a812-d1123dc79e69"');
INSERT INTO "trial_user_attributes" VALUES(7,2,'seed','3581274545');
INSERT INTO "trial_user_attributes" VALUES(8,2,'rate_E','6.2625');
INSERT INTO "trial_user_attributes" VALUES(9,3,'index','2');
INSERT INTO "trial_user_attributes" VALUES(10,3,'uuid','"8d8c4086-ecf6-4e2f-b34e-0ca1e579d919"');
INSERT INTO "trial_user_attributes" VALUES(11,3,'seed','1008912121');
INSERT INTO "trial_user_attributes" VALUES(12,3,'rate_E','9.575');
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
INSERT INTO "trial_values" VALUES(1,1,0,7.7701562499999976552e+00,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.0689062500000001,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,1.27806249999999952391e+01,'FINITE');
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
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-24 02:03:57.524387','2026-11-24 02:03:57.812685');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-24 02:03:57.524387','2026-11-24 02:03:57.812720');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-24 02:03:57.849254','2026-11-24 02:03:57.862184');
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
