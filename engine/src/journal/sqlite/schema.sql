-- Version 1. A later version is a further file, applied in order; what stands here is never changed.
create table run (
    n       integer primary key,
    id      text not null unique,
    flow    text not null,
    hash    text not null,
    began   integer not null,
    parent  text,
    outcome text,
    calls   integer not null default 0,
    nano_usd integer not null default 0
);
-- One row a write; `at` in milliseconds of the Unix clock, `body` a list of records whose long parts are chunks. In the order
-- of writing, so that what many runs write at once stands together.
create table event (
    id   integer primary key,
    run  integer not null,
    at   integer not null,
    body blob not null
);
create index event_of_run on event (run);
create table chunk (
    hash blob primary key,
    body blob not null
) without rowid;
create table cache (
    key  blob primary key,
    at   integer not null,
    run  integer not null,
    body blob not null
) without rowid;
-- What people and other processes say to a run: an answer for a path, or the wish that it ends.
create table said (
    run  integer not null,
    path text not null,
    body text not null,
    primary key (run, path)
) without rowid;
