-- catalogue 事项清单: basic items, implementation items, national lists as reference data.
-- Nothing here is personal. Rows of `item` are written once: a trigger keeps a published version as it was.

CREATE TABLE basic_item (
  catalog_code text PRIMARY KEY,
  name text NOT NULL,
  item_type text NOT NULL,
  department text NOT NULL,
  audience text[] NOT NULL,
  legal_basis text[] NOT NULL DEFAULT '{}',
  codes_are_demo boolean NOT NULL DEFAULT false,
  verified text NOT NULL,
  source text NOT NULL
);
COMMENT ON TABLE basic_item IS '基本目录: the national list of basic items; a local item without one is refused';
COMMENT ON COLUMN basic_item.catalog_code IS '基本编码 | 12 characters, GB/T 39554.1 | public';
COMMENT ON COLUMN basic_item.name IS '事项名称 | text | public';
COMMENT ON COLUMN basic_item.item_type IS '事项类型 | 2 digits of code list 事项类型 | public';
COMMENT ON COLUMN basic_item.department IS 'lead department of the State Council | text | public';
COMMENT ON COLUMN basic_item.audience IS 'who may apply | person, organisation | public';
COMMENT ON COLUMN basic_item.legal_basis IS '设定依据, names of the acts | text each | public';
COMMENT ON COLUMN basic_item.codes_are_demo IS 'the code is invented for demonstration | boolean | public';
COMMENT ON COLUMN basic_item.verified IS 'how sure the row is | yes, partly, no | public';
COMMENT ON COLUMN basic_item.source IS 'where the row was read | text | public';

CREATE TABLE item (
  task_code text NOT NULL,
  version integer NOT NULL,
  digest text NOT NULL,
  catalog_code text NOT NULL,
  owner_node text NOT NULL,
  division text NOT NULL,
  name text NOT NULL,
  plain_name text NOT NULL,
  department text NOT NULL,
  organisation text NOT NULL,
  audience text[] NOT NULL,
  themes text[] NOT NULL,
  life_events text[] NOT NULL,
  body jsonb NOT NULL,
  status text NOT NULL CHECK (status IN ('draft', 'published', 'superseded', 'withdrawn')),
  channels text[] NOT NULL,
  rev integer NOT NULL,
  reason text NOT NULL DEFAULT '',
  app text NOT NULL DEFAULT '',
  published_at timestamptz,
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (task_code, version)
);
COMMENT ON TABLE item IS '实施清单: every published version of every item of the nation, own and received, and own drafts';
COMMENT ON COLUMN item.task_code IS '实施编码 | 31 characters, GB/T 39554.1 | public';
COMMENT ON COLUMN item.version IS '版本 | whole number from 1, a published one never changes | public';
COMMENT ON COLUMN item.digest IS 'identity of the definition | sm3:… of its canonical JSON | public';
COMMENT ON COLUMN item.catalog_code IS '基本编码 of the basic item it implements | 12 characters | public';
COMMENT ON COLUMN item.owner_node IS 'node that owns and handles the item | node id | public';
COMMENT ON COLUMN item.division IS 'where the item is given | GB/T 2260, 6 digits | public';
COMMENT ON COLUMN item.name IS '事项名称 | text | public';
COMMENT ON COLUMN item.plain_name IS 'name in everyday words | text | public';
COMMENT ON COLUMN item.department IS '主管部门 | text | public';
COMMENT ON COLUMN item.organisation IS '实施主体 | text | public';
COMMENT ON COLUMN item.audience IS 'who may apply | person, organisation | public';
COMMENT ON COLUMN item.themes IS '主题分类 | natural:NNN or legal:NNN | public';
COMMENT ON COLUMN item.life_events IS '一件事 the item belongs to | life event ids | public';
COMMENT ON COLUMN item.body IS 'the whole definition | JSON of catalogue.model.Item without digest | public';
COMMENT ON COLUMN item.status IS 'draft (own, never seen outside), published, superseded by a newer version, withdrawn | word | public';
COMMENT ON COLUMN item.channels IS 'channels it may be reached by now | h5, webview, pc, kiosk, counter, third_party | public';
COMMENT ON COLUMN item.rev IS 'counts every change of state at the owner, later wins | whole number from 1 | public';
COMMENT ON COLUMN item.reason IS 'why it was withdrawn, told to the public | text | public';
COMMENT ON COLUMN item.app IS 'service app it was last published with | id of service_apps | public';
COMMENT ON COLUMN item.published_at IS 'when this version was first published, empty for a draft | UTC | public';
COMMENT ON COLUMN item.changed_at IS 'when this row last changed here | UTC | public';
CREATE INDEX item_by_division ON item (division text_pattern_ops) WHERE status = 'published';
CREATE INDEX item_by_theme ON item USING gin (themes) WHERE status = 'published';
CREATE INDEX item_by_life_event ON item USING gin (life_events) WHERE status = 'published';
CREATE INDEX item_by_department ON item (department) WHERE status = 'published';
CREATE INDEX item_by_change ON item (changed_at, task_code, version);

CREATE FUNCTION item_stays_as_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status = 'draft' THEN
    RETURN COALESCE(NEW, OLD);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a published item is never deleted: %', OLD.task_code;
  END IF;
  IF (NEW.task_code, NEW.version, NEW.digest, NEW.body) IS DISTINCT FROM (OLD.task_code, OLD.version, OLD.digest, OLD.body) THEN
    RAISE EXCEPTION 'a published version never changes: % version %', OLD.task_code, OLD.version;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER item_stays_as_published BEFORE UPDATE OR DELETE ON item
  FOR EACH ROW EXECUTE FUNCTION item_stays_as_published();

CREATE TABLE division (
  code text PRIMARY KEY,
  name text NOT NULL,
  level text NOT NULL,
  parent_code text NOT NULL,
  kind text NOT NULL
);
COMMENT ON TABLE division IS '行政区划: the tree of GB/T 2260';
COMMENT ON COLUMN division.code IS '行政区划代码 | 6 digits | public';
COMMENT ON COLUMN division.name IS 'name | text | public';
COMMENT ON COLUMN division.level IS 'province, prefecture or county | word | public';
COMMENT ON COLUMN division.parent_code IS 'code of the division above, empty for provinces | 6 digits | public';
COMMENT ON COLUMN division.kind IS 'official, statistical or grouping | word | public';
CREATE INDEX division_by_parent ON division (parent_code, code);

CREATE TABLE reference_row (
  list text NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  parent text NOT NULL DEFAULT '',
  note text NOT NULL DEFAULT '',
  verified text NOT NULL,
  official boolean NOT NULL,
  source text NOT NULL,
  PRIMARY KEY (list, code)
);
COMMENT ON TABLE reference_row IS '参考数据: code lists, themes, licence types, 跨省通办 and 一件事 lists, each row with how sure it is';
COMMENT ON COLUMN reference_row.list IS 'which list | name of the list | public';
COMMENT ON COLUMN reference_row.code IS 'code or running number in the list | text | public';
COMMENT ON COLUMN reference_row.name IS 'name | text | public';
COMMENT ON COLUMN reference_row.parent IS 'department, domain or group it stands under | text | public';
COMMENT ON COLUMN reference_row.note IS 'further columns in words | text | public';
COMMENT ON COLUMN reference_row.verified IS 'the mark of the source file as it stands | text | public';
COMMENT ON COLUMN reference_row.official IS 'may be presented as official | boolean, true only where the mark says yes | public';
COMMENT ON COLUMN reference_row.source IS 'where the row was read | text | public';

CREATE TABLE directory_entry (
  id text PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('service', 'kuasheng')),
  name text NOT NULL,
  department text NOT NULL,
  audience text[] NOT NULL,
  body jsonb NOT NULL
);
COMMENT ON TABLE directory_entry IS '目录信息: services known by name and general facts, not handled here and never shown as official';
COMMENT ON COLUMN directory_entry.id IS 'key of the entry | text | public';
COMMENT ON COLUMN directory_entry.kind IS 'service facts or a row of the 跨省通办 list | word | public';
COMMENT ON COLUMN directory_entry.name IS 'name | text | public';
COMMENT ON COLUMN directory_entry.department IS 'lead department | text | public';
COMMENT ON COLUMN directory_entry.audience IS 'who may apply | person, organisation | public';
COMMENT ON COLUMN directory_entry.body IS 'the entry | JSON of catalogue.model.Entry | public';

CREATE TABLE reference_load (
  list text PRIMARY KEY,
  digest text NOT NULL,
  rows integer NOT NULL,
  loaded_at timestamptz NOT NULL
);
COMMENT ON TABLE reference_load IS 'which file of reference data stands in the tables, so that loading twice changes nothing';
COMMENT ON COLUMN reference_load.list IS 'name of the file | text | internal';
COMMENT ON COLUMN reference_load.digest IS 'digest of the file as loaded | sm3:… | internal';
COMMENT ON COLUMN reference_load.rows IS 'rows written | count | internal';
COMMENT ON COLUMN reference_load.loaded_at IS 'when | UTC | internal';
