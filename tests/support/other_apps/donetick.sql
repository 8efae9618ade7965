-- Donetick's tables.
CREATE TABLE users (id bigint PRIMARY KEY, circle_id bigint, username text, email text, created_at timestamptz);
CREATE TABLE circles (
  id bigint PRIMARY KEY, name text, created_by bigint, invite_code text, created_at timestamptz, updated_at timestamptz);
CREATE TABLE user_circles (
  id bigint PRIMARY KEY, user_id bigint, circle_id bigint, role text, is_active boolean, created_at timestamptz);
