-- What instances wrote before they ended by themselves: the runtime forgets it with the instance.
CREATE TABLE last_words (
  seq INTEGER PRIMARY KEY,
  deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
  instance_id TEXT NOT NULL,
  instance_name TEXT NOT NULL,
  lines TEXT NOT NULL
);

CREATE UNIQUE INDEX last_words_instance ON last_words (deployment_id, instance_id);
