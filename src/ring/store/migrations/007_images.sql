-- What this server has pulled, by what each engine calls the image: nothing else is ever removed.
CREATE TABLE pulled_image (
  runtime TEXT NOT NULL,
  image_id TEXT NOT NULL,
  reference TEXT NOT NULL,
  digest TEXT,
  pulled_at TEXT NOT NULL,
  used_at TEXT NOT NULL,
  PRIMARY KEY (runtime, image_id, reference)
) WITHOUT ROWID;
