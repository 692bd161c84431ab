-- service_apps 应用管理. Nothing personal: owners, units and figures.

CREATE TABLE service_app (
    id uuid NOT NULL,
    name text NOT NULL,
    owner_org text NOT NULL,
    division text NOT NULL,
    draft jsonb NOT NULL,
    version integer NOT NULL,
    state text NOT NULL,
    digest text NOT NULL,
    published_channels text[] NOT NULL DEFAULT '{}',
    submitted_by text NOT NULL DEFAULT '',
    checked_digest text NOT NULL DEFAULT '',
    reviewed_by text NOT NULL DEFAULT '',
    reviewed_digest text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX service_app_list ON service_app (updated_at DESC);
COMMENT ON TABLE service_app IS '应用: one registered app of this node with its working version';
COMMENT ON COLUMN service_app.id IS 'app | UUIDv7 | public';
COMMENT ON COLUMN service_app.name IS 'name | text | public';
COMMENT ON COLUMN service_app.owner_org IS 'unit that owns it | 统一社会信用代码 | public';
COMMENT ON COLUMN service_app.division IS 'area it serves | GB/T 2260 | public';
COMMENT ON COLUMN service_app.draft IS 'what was registered: owner, contact, service level, items, channels, pages | Draft as JSON | public';
COMMENT ON COLUMN service_app.version IS 'counts up at each edit | number | public';
COMMENT ON COLUMN service_app.state IS 'where it stands | word of life_cycle.toml | internal';
COMMENT ON COLUMN service_app.digest IS 'digest of draft and version | sm3:… | public';
COMMENT ON COLUMN service_app.published_channels IS 'where it runs | h5, pc, kiosk, webview | public';
COMMENT ON COLUMN service_app.submitted_by IS 'who wrote or submitted this version | staff id | internal';
COMMENT ON COLUMN service_app.checked_digest IS 'digest the gate passed last | sm3:… | internal';
COMMENT ON COLUMN service_app.reviewed_by IS 'who approved | staff id | internal';
COMMENT ON COLUMN service_app.reviewed_digest IS 'digest that was approved | sm3:… | internal';
COMMENT ON COLUMN service_app.created_at IS 'registered | UTC | internal';
COMMENT ON COLUMN service_app.updated_at IS 'last step | UTC | internal';

CREATE TABLE service_app_history (
    app_id uuid NOT NULL,
    seq integer NOT NULL,
    at timestamptz NOT NULL,
    name text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    by text NOT NULL,
    by_words text NOT NULL,
    reason text NOT NULL DEFAULT '',
    digest text NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (app_id, seq)
);
COMMENT ON TABLE service_app_history IS '应用流转: every step of every app, append-only';
COMMENT ON COLUMN service_app_history.app_id IS 'app | UUIDv7 | internal';
COMMENT ON COLUMN service_app_history.seq IS 'number of the step | 1, 2, 3 … | internal';
COMMENT ON COLUMN service_app_history.at IS 'when | UTC | internal';
COMMENT ON COLUMN service_app_history.name IS 'transition | word of life_cycle.toml | internal';
COMMENT ON COLUMN service_app_history.from_state IS 'state before | word | internal';
COMMENT ON COLUMN service_app_history.to_state IS 'state after | word | internal';
COMMENT ON COLUMN service_app_history.by IS 'who did it | staff id or system | internal';
COMMENT ON COLUMN service_app_history.by_words IS 'unit of who did it | text | internal';
COMMENT ON COLUMN service_app_history.reason IS 'why, where a reason is asked | text | internal';
COMMENT ON COLUMN service_app_history.digest IS 'digest of what was acted on | sm3:… | internal';
COMMENT ON COLUMN service_app_history.leaf IS 'log leaf | leaf id | internal';

CREATE TABLE service_app_report (
    app_id uuid NOT NULL,
    id uuid NOT NULL,
    digest text NOT NULL,
    at timestamptz NOT NULL,
    ms integer NOT NULL,
    findings jsonb NOT NULL,
    pages text[] NOT NULL,
    PRIMARY KEY (app_id, id)
);
COMMENT ON TABLE service_app_report IS '自动检查报告: one run of the machine gate';
COMMENT ON COLUMN service_app_report.app_id IS 'app | UUIDv7 | internal';
COMMENT ON COLUMN service_app_report.id IS 'report | UUIDv7 | internal';
COMMENT ON COLUMN service_app_report.digest IS 'digest that was checked | sm3:… | internal';
COMMENT ON COLUMN service_app_report.at IS 'when | UTC | internal';
COMMENT ON COLUMN service_app_report.ms IS 'how long it took | ms | internal';
COMMENT ON COLUMN service_app_report.findings IS 'what each rule found | list of Finding | internal';
COMMENT ON COLUMN service_app_report.pages IS 'pages fetched | path and mode | internal';

CREATE TABLE published_app (
    id uuid NOT NULL,
    node text NOT NULL,
    name text NOT NULL,
    owner_name text NOT NULL,
    contact_unit text NOT NULL,
    contact_phone text NOT NULL,
    version integer NOT NULL,
    digest text NOT NULL,
    channels text[] NOT NULL,
    items jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('published', 'withdrawn')),
    rev bigint NOT NULL,
    published_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX published_app_items ON published_app USING gin (items jsonb_path_ops);
COMMENT ON TABLE published_app IS '已发布应用: apps published anywhere in the nation, own and received by letter';
COMMENT ON COLUMN published_app.id IS 'app | UUIDv7 | public';
COMMENT ON COLUMN published_app.node IS 'node that published | node id | public';
COMMENT ON COLUMN published_app.name IS 'name | text | public';
COMMENT ON COLUMN published_app.owner_name IS 'unit | text | public';
COMMENT ON COLUMN published_app.contact_unit IS 'who answers | text | public';
COMMENT ON COLUMN published_app.contact_phone IS 'service line of the unit | telephone | public';
COMMENT ON COLUMN published_app.version IS 'version | number | public';
COMMENT ON COLUMN published_app.digest IS 'digest of the app | sm3:… | public';
COMMENT ON COLUMN published_app.channels IS 'where it runs | h5, pc, kiosk, webview | public';
COMMENT ON COLUMN published_app.items IS 'items it carries | list of ItemRef | public';
COMMENT ON COLUMN published_app.status IS 'published or withdrawn | word | public';
COMMENT ON COLUMN published_app.rev IS 'order of its own letters | Unix ms at the owner | internal';
COMMENT ON COLUMN published_app.published_at IS 'when published | UTC | public';
COMMENT ON COLUMN published_app.changed_at IS 'when this node learned it | UTC | internal';

CREATE TABLE service_app_figure (
    app_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    channel text NOT NULL,
    visits bigint NOT NULL,
    errors bigint NOT NULL,
    sum_ms bigint NOT NULL,
    buckets bigint[] NOT NULL,
    PRIMARY KEY (app_id, hour, channel)
);
COMMENT ON TABLE service_app_figure IS '应用运行数字: counted in memory, flushed by a clock; no person, no path';
COMMENT ON COLUMN service_app_figure.app_id IS 'app | UUIDv7 | public';
COMMENT ON COLUMN service_app_figure.hour IS 'hour | UTC, start | public';
COMMENT ON COLUMN service_app_figure.channel IS 'channel | h5, pc, kiosk, webview | public';
COMMENT ON COLUMN service_app_figure.visits IS 'answers given | number | public';
COMMENT ON COLUMN service_app_figure.errors IS 'answers with status 500 and more | number | public';
COMMENT ON COLUMN service_app_figure.sum_ms IS 'sum of answer times | ms | public';
COMMENT ON COLUMN service_app_figure.buckets IS 'answer times by bucket, bounds in figures.BOUNDS | numbers | public';

CREATE FUNCTION service_app_history_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'service_app_history is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER service_app_history_stays BEFORE UPDATE OR DELETE ON service_app_history
    FOR EACH ROW EXECUTE FUNCTION service_app_history_stays();
