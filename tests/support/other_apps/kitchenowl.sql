-- KitchenOwl's tables; times have no zone and are in UTC.
CREATE TABLE "user" (id int PRIMARY KEY, username text NOT NULL, email text, created_at timestamp NOT NULL);
CREATE TABLE household (id int PRIMARY KEY, name text NOT NULL, description text, created_at timestamp NOT NULL);
CREATE TABLE household_member (
  household_id int NOT NULL REFERENCES household, user_id int NOT NULL REFERENCES "user",
  owner boolean NOT NULL, admin boolean NOT NULL, created_at timestamp NOT NULL, PRIMARY KEY (household_id, user_id));
