-- What is looked for, and a client's last messages side by side. search_document and search_names come from the
-- program (storage.index); they are called here only, so that other tools may still open and change the database.

-- The terms of a message (inbox.search), its id as rowid. Without their order, and without the words themselves.
create virtual table search using fts5 (
  terms,
  content = '',
  detail = none,
  columnsize = 0,
  tokenize = "ascii tokenchars '=+'"
);

-- Small pages: what FTS5 merges at once while a message is written is counted in pages, 64 and more.
insert into search (search, rank) values ('pgsz', 1000);

insert into search (rowid, terms)
select m.id, search_document(
  m.text || coalesce((select char(10) || group_concat(a.name, char(10)) from attachments a where a.message_id = m.id), ''),
  m.identity_id)
from messages m;

-- Folded words of names and handles, digits of phones: as they are, and backwards after "#".
create table contact_words (
  word       text    not null,
  contact_id integer not null references contacts (id),
  primary key (word, contact_id)
) strict, without rowid;

create index contact_words_contact on contact_words (contact_id);

insert into contact_words (word, contact_id)
select distinct w.value, c.id
from contacts c
left join identities i on i.contact_id = c.id
join json_each(search_names(c.name, i.name, i.handle, i.route, i.user)) w;

-- The rows of one client lie on as many pages as there are messages; here they lie together: what a list shows of each.
-- files: kinds, with spaces. Only the triggers write here.

create table timeline (
  identity_id integer not null,
  message_id  integer not null,
  author      text    not null,
  at          integer not null,
  head        text    not null,
  cut         integer not null,
  extra       text,
  files       text    not null default '',
  edited_at   integer,
  deleted_at  integer,
  primary key (identity_id, message_id)
) strict, without rowid;

insert into timeline (identity_id, message_id, author, at, head, cut, extra, files, edited_at, deleted_at)
select m.identity_id, m.id, m.author, m.at, substr(m.text, 1, 120), length(m.text) > 120, m.extra,
  coalesce((select group_concat(a.kind, ' ') from attachments a where a.message_id = m.id), ''),
  m.edited_at, m.deleted_at
from messages m
order by m.identity_id, m.id;

create trigger timeline_added after insert on messages begin
  insert into timeline (identity_id, message_id, author, at, head, cut, extra, edited_at, deleted_at)
  values (new.identity_id, new.id, new.author, new.at, substr(new.text, 1, 120), length(new.text) > 120, new.extra,
    new.edited_at, new.deleted_at);
end;

create trigger timeline_changed after update of identity_id, text, extra, edited_at, deleted_at on messages begin
  update timeline set identity_id = new.identity_id, head = substr(new.text, 1, 120), cut = length(new.text) > 120,
    extra = new.extra, edited_at = new.edited_at, deleted_at = new.deleted_at
  where identity_id = old.identity_id and message_id = old.id;
end;

create trigger timeline_gone before delete on messages begin
  delete from timeline where identity_id = old.identity_id and message_id = old.id;
end;

create trigger timeline_file after insert on attachments begin
  update timeline set files = ltrim(files || ' ' || new.kind)
  where identity_id = (select identity_id from messages where id = new.message_id) and message_id = new.message_id;
end;
