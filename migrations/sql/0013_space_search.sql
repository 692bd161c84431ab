-- space 用户专属服务空间. The search index is a file beside the database; it keeps nothing here.

CREATE TABLE display_preference (
    subject text NOT NULL,
    chosen bytea NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (subject)
);
COMMENT ON TABLE display_preference IS '显示习惯: how a person wants pages to look, so that the next device looks the same (ux.md F6)';
COMMENT ON COLUMN display_preference.subject IS 'whose habit | subject, identity.md 1 | personal';
COMMENT ON COLUMN display_preference.chosen IS 'mode, text size and place | sealed JSON, space.model.Display | personal';
COMMENT ON COLUMN display_preference.changed_at IS 'last change | UTC | internal';
