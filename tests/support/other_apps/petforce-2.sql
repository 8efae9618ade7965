-- The tables of PetForce's rewrite, as its migrations make them; what nothing here rests on is left out.
CREATE TABLE households (
  id uuid PRIMARY KEY, name text NOT NULL, theme jsonb NOT NULL DEFAULT '{}', join_code text UNIQUE,
  created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE members (
  id uuid PRIMARY KEY, household_id uuid NOT NULL REFERENCES households ON DELETE CASCADE, user_id text NOT NULL,
  role text NOT NULL, display_name text NOT NULL, joined_at timestamptz NOT NULL, email text,
  UNIQUE (household_id, user_id));
CREATE TABLE access_requests (
  id uuid PRIMARY KEY, household_id uuid NOT NULL REFERENCES households ON DELETE CASCADE, user_id text NOT NULL,
  display_name text NOT NULL, message text, status text NOT NULL DEFAULT 'pending',
  reviewed_by uuid REFERENCES members ON DELETE SET NULL, created_at timestamptz NOT NULL);
CREATE TABLE activity_log (
  id uuid PRIMARY KEY, household_id uuid NOT NULL REFERENCES households ON DELETE CASCADE, action text NOT NULL,
  subject_type text NOT NULL, subject_id uuid, subject_name text,
  performed_by uuid NOT NULL REFERENCES members ON DELETE CASCADE, metadata jsonb, created_at timestamptz NOT NULL);
