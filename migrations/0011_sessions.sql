-- Sessions, whose refresh tokens are numbered and not stored, and the log from which every node reads revocations.

create table sessions (
    id              uuid        primary key,
    user_id         uuid        not null references users on delete cascade,
    user_agent      text,
    ip              text,
    -- How often the session was refreshed. A refresh token is this number with a signature; tokens are not stored.
    counter         integer     not null default 0,
    -- The highest number whose access token was used: proof that the answer to that refresh arrived.
    confirmed_counter integer   not null default 0,
    -- When the current number was issued.
    refreshed_at    timestamptz not null,
    created_at      timestamptz not null,
    last_used_at    timestamptz not null,
    expires_at      timestamptz not null,
    -- Null: not revoked.
    revoked_at      timestamptz,
    revoked_reason  text,

    constraint sessions_life check (expires_at > created_at),
    constraint sessions_revoked_with_reason check ((revoked_at is null) = (revoked_reason is null)),
    constraint sessions_counter_grows check (counter >= 0 and confirmed_counter between 0 and counter)
);
comment on table sessions is 'One sign-in on one device. Sessions are revoked, not tokens.';
comment on column sessions.expires_at is
    'The earlier of two ends: without use for the idle lifetime, or at the longest lifetime; moved by each refresh.';
-- Not partial: the networks of earlier sign-ins are read from ended sessions too, and ended sessions are deleted.
create index sessions_user_id_idx on sessions (user_id, created_at);
create index sessions_expires_at_idx on sessions (expires_at);

create function session_end(role user_role, membership_count integer, created timestamptz, used timestamptz,
    idle double precision, longest double precision, staff_idle double precision, staff_longest double precision)
returns timestamptz language sql immutable parallel safe
    return case when role in ('STAFF', 'ADMIN') or membership_count > 0
        then least(used + make_interval(secs => staff_idle), created + make_interval(secs => staff_longest))
        else least(used + make_interval(secs => idle), created + make_interval(secs => longest)) end;
comment on function session_end(
    user_role, integer, timestamptz, timestamptz,
    double precision, double precision, double precision, double precision) is
    'The end of a session that was created and last refreshed at these times; lifetimes in seconds. Members '
    'of restaurants and the roles STAFF and ADMIN have the lifetimes of staff.';

create function sessions_stay_revoked() returns trigger language plpgsql as $$
begin
    raise exception 'session % is revoked and stays so', old.id using errcode = 'integrity_constraint_violation';
end $$;
comment on function sessions_stay_revoked() is 'Refuses every update that undoes a revocation.';
create trigger stay_revoked before update of revoked_at on sessions for each row
    when (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
    execute function sessions_stay_revoked();

create table revocations (
    -- The transaction that wrote the row: a reader repeats its query for transactions that were open at its last one.
    xid             bigint      not null default pg_current_xact_id()::text::bigint,
    id              bigint      generated always as identity,
    user_id         uuid        not null,
    -- Null: everything that is cached about the user is out of date.
    session_id      uuid,
    at              timestamptz not null default now(),

    constraint revocations_pkey primary key (xid, id)
);
comment on table revocations is
    'What every node must remove from its caches at once: ended sessions, and users whose permissions changed. Written '
    'by triggers, so that no statement can omit it. Rows are kept for a day.';
create index revocations_at_idx on revocations (at);

create function log_ended_session() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id, session_id) values (old.user_id, old.id);
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function log_ended_session() is 'Records that a session was revoked or deleted.';
create trigger log_revoked after update of revoked_at on sessions for each row
    when (old.revoked_at is null and new.revoked_at is not null) execute function log_ended_session();
create trigger log_removed after delete on sessions for each row execute function log_ended_session();

create function log_changed_user() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id) values (old.id);
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function log_changed_user() is 'Records that a user was disabled, enabled, given another role, or deleted.';
create trigger log_changed after update of disabled_at, role on users for each row
    when (old.disabled_at is distinct from new.disabled_at or old.role <> new.role) execute function log_changed_user();
create trigger log_removed after delete on users for each row execute function log_changed_user();

-- Triggers on memberships and on drivers call it.
create function log_changed_membership() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id) values (coalesce(new.user_id, old.user_id));
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function log_changed_membership() is
    'Records that a membership or a driver profile of a user was added, changed or removed.';

grant select, insert, update, delete on sessions to comanda_app;
grant select, insert, delete on revocations to comanda_app;
