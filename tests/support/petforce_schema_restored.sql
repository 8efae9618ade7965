-- After petforce_schema.sql: what a restore from an export loses.

ALTER TABLE households ALTER COLUMN leader_id DROP NOT NULL;
ALTER TABLE households DROP CONSTRAINT households_invite_code_key;
CREATE INDEX households_invite_code_idx ON households (invite_code);
ALTER TABLE household_members DROP CONSTRAINT household_members_household_id_user_id_key;
CREATE INDEX household_members_household_id_idx ON household_members (household_id);
