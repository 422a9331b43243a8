-- Sessions: refresh tokens that are counted instead of stored, and how every node learns of a revocation.

alter table sessions
    -- How often the session was refreshed. A refresh token is this number, signed; no token is stored.
    add column counter           integer     not null default 0,
    -- The highest number whose access token was used: proof that the answer to that refresh arrived.
    add column confirmed_counter integer     not null default 0,
    -- When the current number was given.
    add column refreshed_at      timestamptz not null default now(),

    add constraint sessions_counter_grows check (counter >= 0 and confirmed_counter between 0 and counter);
comment on column sessions.expires_at is 'The earlier of the end without use and the end for good; moved by each refresh.';

create function sessions_stay_revoked() returns trigger language plpgsql as $$
begin
    raise exception 'session % is revoked and stays so', old.id using errcode = 'integrity_constraint_violation';
end $$;
comment on function sessions_stay_revoked() is 'Nothing un-revokes a session, not even a mistake at the database''s own prompt.';
create trigger stay_revoked before update of revoked_at on sessions for each row
    when (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
    execute function sessions_stay_revoked();

create table revocations (
    -- The transaction that revoked: a reader asks again for whatever may still have been open when it last looked.
    xid             bigint      not null default pg_current_xact_id()::text::bigint,
    id              bigint      generated always as identity,
    user_id         uuid        not null,
    -- Null: whatever is known of the user is out of date.
    session_id      uuid,
    at              timestamptz not null default now(),

    constraint revocations_pkey primary key (xid, id)
);
comment on table revocations is 'What every node must forget at once: ended sessions, and users who may do less or more than before. Written by triggers, so that no way of changing them is forgotten; kept for a day.';
create index revocations_at_idx on revocations (at);

create function tell_of_session() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id, session_id) values (old.user_id, old.id);
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function tell_of_session() is 'The session is over.';

create function tell_of_user() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id) values (old.id);
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function tell_of_user() is 'The user was disabled, enabled, given another role, or removed.';

create function tell_of_place() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id) values (coalesce(new.user_id, old.user_id));
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function tell_of_place() is 'The user works, or delivers, in another capacity than before.';

create trigger tell_revoked after update of revoked_at on sessions for each row
    when (old.revoked_at is null and new.revoked_at is not null) execute function tell_of_session();
create trigger tell_removed after delete on sessions for each row execute function tell_of_session();
create trigger tell_changed after update of disabled_at, role on users for each row
    when (old.disabled_at is distinct from new.disabled_at or old.role <> new.role) execute function tell_of_user();
create trigger tell_removed after delete on users for each row execute function tell_of_user();
create trigger tell_changed after update of role on memberships for each row
    when (old.role <> new.role) execute function tell_of_place();
create trigger tell_added_or_removed after insert or delete on memberships for each row execute function tell_of_place();
create trigger tell_added_or_removed after insert or delete on drivers for each row execute function tell_of_place();

grant select, insert, delete on revocations to comanda_app;
