-- Times are microseconds since 1970 (UTC). Ids of providers are text. JSON is written by inbox.codec.
-- Conditions of partial indexes are repeated word for word in the queries: SQLite uses the index only then.

-- bodies as they came

create table inbox (
  id          integer primary key,
  provider    text    not null,
  key         text    not null,
  body        blob    not null,
  received_at integer not null,
  state       text    not null default 'new',
  attempts    integer not null default 0,
  error       text,
  unique (provider, key)
) strict;

create index inbox_open on inbox (state, id) where state <> 'done';

-- people

create table contacts (
  id          integer primary key,
  name        text    not null,
  language    text,
  via         integer references identities (id),
  source      text,
  created_at  integer not null,
  last_at     integer,
  merged_into integer references contacts (id)
) strict;

create index contacts_recent on contacts (last_at, id) where last_at is not null and merged_into is null;
create index contacts_merged on contacts (merged_into) where merged_into is not null;
create index contacts_via on contacts (via) where via is not null;

create table identities (
  id              integer primary key,
  contact_id      integer not null references contacts (id),
  provider        text    not null,
  account         text    not null,
  user            text    not null,
  name            text    not null,
  handle          text,
  route           text,
  last_inbound_at integer,
  merged_into     integer references identities (id)
) strict;

-- A joined identity keeps its row, so that its old address still leads to the one that was kept.
create unique index identities_address on identities (provider, account, user) where merged_into is null;
create index identities_old_address on identities (provider, account, user) where merged_into is not null;
create index identities_contact on identities (contact_id);
create index identities_merged on identities (merged_into) where merged_into is not null;

create table identity_keys (
  id          integer primary key,
  key         text    not null,
  identity_id integer not null references identities (id),
  unique (key, identity_id)
) strict;

create index identity_keys_identity on identity_keys (identity_id);

-- messages

create table messages (
  id          integer primary key,
  identity_id integer not null references identities (id),
  author      text    not null,
  text        text    not null,
  spans       text,
  extra       text,
  reply_to    integer references messages (id),
  quote       text,
  mark        text,
  album       text,
  at          integer not null,
  stored_at   integer not null,
  edited_at   integer,
  deleted_at  integer,
  source      text unique
) strict;

create index messages_identity on messages (identity_id, id);
create index messages_album on messages (identity_id, album, id) where album is not null;

create table message_versions (
  id         integer primary key,
  message_id integer not null references messages (id),
  text       text    not null,
  spans      text,
  extra      text,
  until      integer not null,
  stored_at  integer not null
) strict;

create index message_versions_message on message_versions (message_id);

create table attachments (
  id         integer primary key,
  message_id integer not null references messages (id),
  kind       text    not null,
  origin     text    not null,
  ref        text    not null,
  mime       text,
  size       integer,
  name       text,
  sha256     text,
  duration   integer,
  spoiler    integer not null default 0
) strict;

create index attachments_message on attachments (message_id, id);

create table refs (
  provider    text    not null,
  account     text    not null,
  external_id text    not null,
  message_id  integer not null references messages (id),
  part        integer not null,
  primary key (provider, account, external_id)
) strict, without rowid;

create index refs_message on refs (message_id, part);

create table early (
  id          integer primary key,
  provider    text    not null,
  account     text    not null,
  external_id text    not null,
  fact        text    not null,
  stored_at   integer not null,
  unique (provider, account, external_id, fact)
) strict;

create index early_stored on early (stored_at);

-- deliveries

create table deliveries (
  id          integer primary key,
  act         text    not null,
  target      text    not null,
  lane        text    not null,
  state       text    not null,
  message_id  integer references messages (id),
  part        integer not null default 0,
  content     text,
  call        integer,
  attempts    integer not null default 0,
  repeat      integer not null default 0,
  not_before  integer,
  created_at  integer not null,
  external_id text,
  error       text,
  rank        integer not null default 1
) strict;

create index deliveries_waiting on deliveries (target, lane, id) where state = 'waiting';
create index deliveries_lane on deliveries (lane, id) where state = 'waiting';
create index deliveries_open on deliveries (lane, state, id) where state in ('sending', 'uncertain', 'parked');
create index deliveries_message on deliveries (message_id, id);

-- the desk

create table topics (
  id              integer primary key,
  contact_id      integer not null references contacts (id),
  backend         text    not null,
  chat_id         integer not null,
  thread_id       integer,
  name_shown      text    not null default '',
  card_message_id integer,
  card_shown      text    not null default '',
  card_pinned     integer not null default 0,
  anchor          integer,
  unique (contact_id, backend, chat_id)
) strict;

create unique index topics_thread on topics (chat_id, thread_id) where thread_id is not null;

-- Every thread that a topic has ever had: what is written in a dead or joined one still reaches its client.
create table topic_threads (
  chat_id   integer not null,
  thread_id integer not null,
  topic_id  integer not null references topics (id),
  primary key (chat_id, thread_id)
) strict, without rowid;

create index topic_threads_topic on topic_threads (topic_id);

create table shown (
  chat_id         integer not null,
  desk_message_id integer not null,
  message_id      integer not null references messages (id),
  part            integer not null,
  primary key (chat_id, desk_message_id, message_id, part)
) strict, without rowid;

create index shown_message on shown (message_id, part);

create table notices (
  key             text    primary key,
  chat_id         integer not null,
  desk_message_id integer not null
) strict, without rowid;

create table marks (
  message_id      integer primary key references messages (id),
  chat_id         integer not null,
  desk_message_id integer not null,
  wanted          text    not null,
  shown           text    not null default '',
  wanted_at       integer not null
) strict;

create index marks_open on marks (wanted_at, message_id) where wanted <> shown;

create table prompts (
  place text primary key,
  kind  text not null,
  ref   text not null
) strict, without rowid;

-- the export; ids are never used again, not even after the last row is gone

create table events (
  id        integer primary key autoincrement,
  provider  text    not null,
  timestamp integer not null,
  stored_at integer not null,
  data      text    not null
) strict;

create index events_stored on events (stored_at, id);

create table sinks (
  name          text    primary key,
  last_event_id integer not null default 0,
  failing_since integer,
  attempts      integer not null default 0,
  stopped       integer not null default 0
) strict, without rowid;

-- the rest

create table jobs (
  id         integer primary key autoincrement,
  kind       text    not null,
  payload    text    not null,
  due_at     integer not null,
  attempts   integer not null default 0,
  created_at integer not null
) strict;

create index jobs_due on jobs (kind, due_at, id);
create index jobs_fetch on jobs (json_extract(payload, '$.attachment')) where kind = 'fetch';

create table settings (
  key   text primary key,
  value text not null
) strict, without rowid;

create table cursors (
  name  text primary key,
  value text not null
) strict, without rowid;

create table seen (
  key text    primary key,
  at  integer not null
) strict, without rowid;
