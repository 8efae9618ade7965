BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007_looks');
CREATE TABLE decisions (
	id INTEGER NOT NULL, 
	night_id INTEGER NOT NULL, 
	fingerprint VARCHAR(32) NOT NULL, 
	ticket_id INTEGER, 
	status VARCHAR(16) NOT NULL, 
	action VARCHAR(12) NOT NULL, 
	reason VARCHAR(24) NOT NULL, 
	CONSTRAINT decisions_pk PRIMARY KEY (id), 
	CONSTRAINT decisions_night_id_fk FOREIGN KEY(night_id) REFERENCES nights (id), 
	CONSTRAINT decisions_ticket_id_fk FOREIGN KEY(ticket_id) REFERENCES tickets (id)
);
INSERT INTO "decisions" VALUES(1,1,'125c79fe7623cfe8ac79b3f46bad5ee9',1,'new','open','new');
INSERT INTO "decisions" VALUES(2,1,'4a54997157be5474178ffbcca183cd55',2,'new','open','new');
INSERT INTO "decisions" VALUES(3,1,'e0a023451faee951b27ee49dd47ac03b',3,'new','open','new');
INSERT INTO "decisions" VALUES(4,1,'23afe4834a2f585d35786241e1191c8a',3,'new','none','explained');
INSERT INTO "decisions" VALUES(5,2,'125c79fe7623cfe8ac79b3f46bad5ee9',1,'still-there','none','still-there');
INSERT INTO "decisions" VALUES(6,2,'23afe4834a2f585d35786241e1191c8a',3,'still-there','none','happened-once');
INSERT INTO "decisions" VALUES(7,2,'4a54997157be5474178ffbcca183cd55',2,'still-there','none','still-there');
INSERT INTO "decisions" VALUES(8,2,'e0a023451faee951b27ee49dd47ac03b',3,'still-there','none','happened-once');
CREATE TABLE endings (
	id INTEGER NOT NULL, 
	night_id INTEGER NOT NULL, 
	detector VARCHAR(80) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT, 
	findings INTEGER NOT NULL, 
	CONSTRAINT endings_pk PRIMARY KEY (id), 
	CONSTRAINT endings_night_id_fk FOREIGN KEY(night_id) REFERENCES nights (id)
);
INSERT INTO "endings" VALUES(1,1,'no-leader','ran',NULL,0);
INSERT INTO "endings" VALUES(2,1,'transfer-failed','ran',NULL,0);
INSERT INTO "endings" VALUES(3,1,'multiple-leaders','ran',NULL,0);
INSERT INTO "endings" VALUES(4,1,'duplicate-member','ran',NULL,0);
INSERT INTO "endings" VALUES(5,1,'approval-not-applied','ran',NULL,0);
INSERT INTO "endings" VALUES(6,1,'concurrent-conflict','ran',NULL,0);
INSERT INTO "endings" VALUES(7,1,'mass-creation','ran',NULL,0);
INSERT INTO "endings" VALUES(8,1,'mass-removal','ran',NULL,0);
INSERT INTO "endings" VALUES(9,1,'removal-not-applied','ran',NULL,0);
INSERT INTO "endings" VALUES(10,2,'no-leader','ran',NULL,0);
INSERT INTO "endings" VALUES(11,2,'transfer-failed','ran',NULL,0);
INSERT INTO "endings" VALUES(12,2,'multiple-leaders','ran',NULL,0);
INSERT INTO "endings" VALUES(13,2,'duplicate-member','ran',NULL,0);
INSERT INTO "endings" VALUES(14,2,'approval-not-applied','ran',NULL,0);
INSERT INTO "endings" VALUES(15,2,'concurrent-conflict','ran',NULL,0);
INSERT INTO "endings" VALUES(16,2,'mass-creation','ran',NULL,0);
INSERT INTO "endings" VALUES(17,2,'mass-removal','ran',NULL,0);
INSERT INTO "endings" VALUES(18,2,'removal-not-applied','ran',NULL,0);
CREATE TABLE entries (
	fingerprint VARCHAR(32) NOT NULL, 
	detector VARCHAR(80) NOT NULL, 
	team VARCHAR(20) NOT NULL, 
	kind VARCHAR(12) NOT NULL, 
	severity VARCHAR(12) NOT NULL, 
	size INTEGER NOT NULL, 
	title TEXT NOT NULL, 
	subject JSON NOT NULL, 
	households JSON NOT NULL, 
	users JSON NOT NULL, 
	claims JSON NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	present BOOLEAN NOT NULL, 
	first_seen_at DATETIME NOT NULL, 
	last_seen_at DATETIME NOT NULL, 
	happened_at DATETIME, 
	said_severity VARCHAR(12) NOT NULL, 
	said_size INTEGER NOT NULL, 
	returns JSON NOT NULL, 
	flapping_said BOOLEAN NOT NULL, 
	explained_by VARCHAR(32), 
	ticket_id INTEGER, rows JSON DEFAULT '{}' NOT NULL, 
	CONSTRAINT entries_pk PRIMARY KEY (fingerprint), 
	CONSTRAINT entries_ticket_id_fk FOREIGN KEY(ticket_id) REFERENCES tickets (id)
);
INSERT INTO "entries" VALUES('125c79fe7623cfe8ac79b3f46bad5ee9','duplicate-member','engineering','state','P0',1,'Double a','{"household_id": "h1", "user_id": "a"}','["h1"]','["a"]','{}','still-there',1,'2026-02-03 01:00:00.000000','2026-02-04 01:00:00.000000','2026-02-02 12:00:00.000000','P0',1,'[]',0,NULL,1,'{}');
INSERT INTO "entries" VALUES('23afe4834a2f585d35786241e1191c8a','mass-removal','trust-safety','occurrence','Same-day',1,'Some mass-removal','{"user_id": "kim"}','[]','["kim"]','{}','still-there',1,'2026-02-03 01:00:00.000000','2026-02-03 01:00:00.000000','2026-02-02 12:00:00.000000','Same-day',1,'[]',0,NULL,3,'{}');
INSERT INTO "entries" VALUES('4a54997157be5474178ffbcca183cd55','duplicate-member','engineering','state','P0',1,'Double b','{"household_id": "h1", "user_id": "b"}','["h1"]','["b"]','{}','still-there',1,'2026-02-03 01:00:00.000000','2026-02-04 01:00:00.000000','2026-02-02 12:00:00.000000','P0',1,'[]',0,NULL,2,'{}');
INSERT INTO "entries" VALUES('e0a023451faee951b27ee49dd47ac03b','mass-creation','trust-safety','occurrence','Same-day',1,'Some mass-creation','{"user_id": "kim"}','[]','["kim"]','{}','still-there',1,'2026-02-03 01:00:00.000000','2026-02-03 01:00:00.000000','2026-02-02 12:00:00.000000','Same-day',1,'[]',0,NULL,3,'{}');
CREATE TABLE nights (
	id INTEGER NOT NULL, 
	as_of DATETIME NOT NULL, 
	window_start DATETIME NOT NULL, 
	window_end DATETIME NOT NULL, 
	complete BOOLEAN NOT NULL, reached DATETIME, seconds FLOAT, kind VARCHAR(8) DEFAULT 'night' NOT NULL, 
	CONSTRAINT nights_pk PRIMARY KEY (id)
);
INSERT INTO "nights" VALUES(1,'2026-02-03 01:00:00.000000','2026-02-02 00:00:00.000000','2026-02-03 00:00:00.000000',1,NULL,NULL,'night');
INSERT INTO "nights" VALUES(2,'2026-02-04 01:00:00.000000','2026-02-03 00:00:00.000000','2026-02-04 00:00:00.000000',1,NULL,NULL,'night');
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	ticket_id INTEGER NOT NULL, 
	kind VARCHAR(12) NOT NULL, 
	payload JSON, 
	made_at DATETIME NOT NULL, 
	sent_at DATETIME, 
	attempts INTEGER NOT NULL, 
	error TEXT, destination VARCHAR(12) DEFAULT 'queue' NOT NULL, begun BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT outbox_pk PRIMARY KEY (id), 
	CONSTRAINT outbox_key_key UNIQUE ("key"), 
	CONSTRAINT outbox_ticket_id_fk FOREIGN KEY(ticket_id) REFERENCES tickets (id)
);
INSERT INTO "outbox" VALUES(1,'hw-125c79fe7623cfe8/create',1,'create','null','2026-02-03 01:00:00.000000','2026-02-03 01:00:00.000000',1,NULL,'queue',0);
INSERT INTO "outbox" VALUES(2,'hw-4a54997157be5474/create',2,'create','null','2026-02-03 01:00:00.000000','2026-02-03 01:00:00.000000',1,NULL,'queue',0);
INSERT INTO "outbox" VALUES(3,'hw-e0a023451faee951/create',3,'create','null','2026-02-03 01:00:00.000000','2026-02-03 01:00:00.000000',1,NULL,'queue',0);
INSERT INTO "outbox" VALUES(4,'hw-125c79fe7623cfe8/follow-up/0/3',1,'follow-up','null','2026-02-04 01:00:00.000000','2026-02-04 01:00:00.000000',1,NULL,'queue',0);
INSERT INTO "outbox" VALUES(5,'hw-4a54997157be5474/follow-up/0/3',2,'follow-up','null','2026-02-04 01:00:00.000000','2026-02-04 01:00:00.000000',1,NULL,'queue',0);
INSERT INTO "outbox" VALUES(6,'hw-e0a023451faee951/follow-up/0/3',3,'follow-up','null','2026-02-04 01:00:00.000000','2026-02-04 01:00:00.000000',1,NULL,'queue',0);
CREATE TABLE outcomes (
	id INTEGER NOT NULL, 
	ticket_id INTEGER NOT NULL, 
	outcome TEXT NOT NULL, 
	action TEXT, 
	learning TEXT, 
	author TEXT NOT NULL, 
	made_at DATETIME NOT NULL, 
	CONSTRAINT outcomes_pk PRIMARY KEY (id), 
	CONSTRAINT outcomes_ticket_id_fk FOREIGN KEY(ticket_id) REFERENCES tickets (id)
);
CREATE TABLE posts (
	id INTEGER NOT NULL, 
	ticket_id INTEGER NOT NULL, 
	channel TEXT NOT NULL, 
	channel_id TEXT NOT NULL, 
	timestamp TEXT NOT NULL, 
	severity VARCHAR(12) NOT NULL, 
	settled BOOLEAN NOT NULL, 
	linked BOOLEAN NOT NULL, 
	CONSTRAINT posts_pk PRIMARY KEY (id), 
	CONSTRAINT posts_ticket_id_fk FOREIGN KEY(ticket_id) REFERENCES tickets (id)
);
CREATE TABLE silences (
	id INTEGER NOT NULL, 
	fingerprint VARCHAR(32) NOT NULL, 
	kind VARCHAR(12) NOT NULL, 
	reason TEXT NOT NULL, 
	author TEXT NOT NULL, 
	made_at DATETIME NOT NULL, 
	ends_at DATETIME NOT NULL, 
	severity VARCHAR(12), 
	size INTEGER, 
	ended_at DATETIME, 
	ended_why TEXT, 
	CONSTRAINT silences_pk PRIMARY KEY (id)
);
CREATE TABLE snapshots (
	ticket_id INTEGER NOT NULL, 
	finding JSON NOT NULL, 
	made_at DATETIME NOT NULL, 
	CONSTRAINT snapshots_pk PRIMARY KEY (ticket_id), 
	CONSTRAINT snapshots_ticket_id_fk FOREIGN KEY(ticket_id) REFERENCES tickets (id)
);
INSERT INTO "snapshots" VALUES(1,'{"detector": "duplicate-member", "team": "engineering", "severity": "P0", "fingerprint": "125c79fe7623cfe8ac79b3f46bad5ee9", "subject": {"household_id": "h1", "user_id": "a"}, "households": ["h1"], "users": ["a"], "title": "Double a", "first_seen": "2026-02-03T01:00:00Z", "occurred_at": "2026-02-02T12:00:00Z", "impact": {"users": 1, "households": 1}, "kind": "state", "marks": [], "evidence": {}, "timeline": [], "related": [], "members": [], "story": {"issue": "duplicate-member it is", "steps": [], "expected": "all is well", "actual": "it is not", "impact": "", "error_messages": "", "screenshots": "", "pattern": "", "evidence": [], "suspected_violation": "", "reporter": "", "action_taken": "", "requesting": "", "affected_households": null, "affected_users": null, "fields": {}, "observed": ""}}','2026-02-03 01:00:00.000000');
INSERT INTO "snapshots" VALUES(2,'{"detector": "duplicate-member", "team": "engineering", "severity": "P0", "fingerprint": "4a54997157be5474178ffbcca183cd55", "subject": {"household_id": "h1", "user_id": "b"}, "households": ["h1"], "users": ["b"], "title": "Double b", "first_seen": "2026-02-03T01:00:00Z", "occurred_at": "2026-02-02T12:00:00Z", "impact": {"users": 1, "households": 1}, "kind": "state", "marks": [], "evidence": {}, "timeline": [], "related": [], "members": [], "story": {"issue": "duplicate-member it is", "steps": [], "expected": "all is well", "actual": "it is not", "impact": "", "error_messages": "", "screenshots": "", "pattern": "", "evidence": [], "suspected_violation": "", "reporter": "", "action_taken": "", "requesting": "", "affected_households": null, "affected_users": null, "fields": {}, "observed": ""}}','2026-02-03 01:00:00.000000');
INSERT INTO "snapshots" VALUES(3,'{"detector": "mass-creation", "team": "trust-safety", "severity": "Same-day", "fingerprint": "e0a023451faee951b27ee49dd47ac03b", "subject": {"user_id": "kim"}, "households": [], "users": ["kim"], "title": "Some mass-creation", "first_seen": null, "occurred_at": "2026-02-02T12:00:00Z", "impact": {"users": 1, "households": 0}, "kind": "occurrence", "marks": [], "evidence": {}, "timeline": [], "related": [{"subject": {"user_id": "kim"}, "households": [], "users": ["kim"], "detector": "mass-removal"}], "members": [], "story": {"issue": "mass-creation it is", "steps": [], "expected": "all is well", "actual": "it is not", "impact": "", "error_messages": "", "screenshots": "", "pattern": "", "evidence": [], "suspected_violation": "", "reporter": "", "action_taken": "", "requesting": "", "affected_households": null, "affected_users": null, "fields": {}, "observed": ""}}','2026-02-03 01:00:00.000000');
CREATE TABLE tickets (
	id INTEGER NOT NULL, 
	external_id VARCHAR(64) NOT NULL, 
	fingerprint VARCHAR(32) NOT NULL, 
	detector VARCHAR(80) NOT NULL, 
	team VARCHAR(20) NOT NULL, 
	severity VARCHAR(12) NOT NULL, 
	title TEXT NOT NULL, 
	status VARCHAR(12) NOT NULL, 
	opened_at DATETIME NOT NULL, 
	clock_began_at DATETIME NOT NULL, 
	acknowledge_due DATETIME, 
	investigate_due DATETIME, 
	resolve_due DATETIME, 
	acknowledged_at DATETIME, 
	resolved_at DATETIME, 
	ended_at DATETIME, 
	closed_as VARCHAR(20), 
	closing_reason TEXT, 
	generation INTEGER NOT NULL, 
	reopened INTEGER NOT NULL, 
	ladder_step INTEGER NOT NULL, 
	ref_id TEXT, 
	ref_url TEXT, 
	queue_status VARCHAR(12) NOT NULL, 
	CONSTRAINT tickets_pk PRIMARY KEY (id), 
	CONSTRAINT tickets_external_id_key UNIQUE (external_id)
);
INSERT INTO "tickets" VALUES(1,'hw-125c79fe7623cfe8','125c79fe7623cfe8ac79b3f46bad5ee9','duplicate-member','engineering','P0','Double a','open','2026-02-03 01:00:00.000000','2026-02-03 01:00:00.000000','2026-02-03 01:30:00.000000','2026-02-03 02:00:00.000000','2026-02-03 09:00:00.000000',NULL,NULL,NULL,NULL,NULL,1,0,3,'hw-125c79fe7623cfe8','mem:hw-125c79fe7623cfe8','open');
INSERT INTO "tickets" VALUES(2,'hw-4a54997157be5474','4a54997157be5474178ffbcca183cd55','duplicate-member','engineering','P0','Double b','open','2026-02-03 01:00:00.000000','2026-02-03 01:00:00.000000','2026-02-03 01:30:00.000000','2026-02-03 02:00:00.000000','2026-02-03 09:00:00.000000',NULL,NULL,NULL,NULL,NULL,1,0,3,'hw-4a54997157be5474','mem:hw-4a54997157be5474','open');
INSERT INTO "tickets" VALUES(3,'hw-e0a023451faee951','e0a023451faee951b27ee49dd47ac03b','mass-creation','trust-safety','Same-day','Some mass-creation','open','2026-02-03 01:00:00.000000','2026-02-03 01:00:00.000000','2026-02-03 05:00:00.000000','2026-02-04 01:00:00.000000','2026-02-06 01:00:00.000000',NULL,NULL,NULL,NULL,NULL,1,0,3,'hw-e0a023451faee951','mem:hw-e0a023451faee951','open');
CREATE TABLE volumes (
	id INTEGER NOT NULL, 
	night_id INTEGER NOT NULL, 
	table_name VARCHAR(40) NOT NULL, 
	rows BIGINT, 
	days JSON NOT NULL, 
	oldest DATETIME, 
	believed BOOLEAN NOT NULL, 
	accepted BOOLEAN NOT NULL, 
	CONSTRAINT volumes_pk PRIMARY KEY (id), 
	CONSTRAINT volumes_night_id_fk FOREIGN KEY(night_id) REFERENCES nights (id)
);
CREATE INDEX entries_ticket_id_idx ON entries (ticket_id);
CREATE INDEX decisions_fingerprint_idx ON decisions (fingerprint);
CREATE INDEX decisions_ticket_id_idx ON decisions (ticket_id);
CREATE INDEX silences_fingerprint_idx ON silences (fingerprint);
CREATE INDEX outbox_unsent_idx ON outbox (sent_at);
CREATE INDEX outcomes_ticket_id_idx ON outcomes (ticket_id);
CREATE INDEX posts_ticket_id_idx ON posts (ticket_id);
CREATE INDEX volumes_night_id_idx ON volumes (night_id);
CREATE INDEX endings_night_id_idx ON endings (night_id);
COMMIT;
