-- Recovery of a lost password, verification of addresses and numbers, second factors, and the limits on attempts.

create type notification_channel as enum ('PUSH', 'SMS', 'EMAIL');
comment on type notification_channel is 'How a message is sent.';

create table attempt_limits (
    -- HMAC-SHA-256 of the account and the origin of the attempts, under a key of the server: the table contains no
    -- addresses, and attempts at addresses without an account are counted like all others.
    key             bytea       not null,
    count           integer     not null,
    -- When the count is reset to zero.
    ends_at         timestamptz not null,

    constraint attempt_limits_pkey primary key (key),
    constraint attempt_limits_key_sha256 check (octet_length(key) = 32),
    constraint attempt_limits_count_not_negative check (count >= 0)
);
comment on table attempt_limits is
    'How often a password or a code was tried. Kept in the database and not in Redis, so that neither an outage nor a '
    'restart allows more tries.';
create index attempt_limits_ends_at_idx on attempt_limits (ends_at);

create table password_resets (
    -- Random: only a client that knows it may try codes of this request.
    id              uuid        not null,
    -- HMAC-SHA-256 of the e-mail address it was requested for. Whether there is an account is looked up only after a
    -- correct code was entered: a request takes equally long for all addresses, and the row reveals nothing.
    email_key       bytea       not null,
    -- HMAC-SHA-256 of id and code.
    code_hash       bytea       not null,
    -- How the code was sent; null: not yet. A code that was sent by e-mail verifies the address.
    sent_by         notification_channel,
    tries           smallint    not null default 0,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    used_at         timestamptz,

    constraint password_resets_pkey primary key (id),
    constraint password_resets_sha256 check (octet_length(email_key) = 32 and octet_length(code_hash) = 32),
    constraint password_resets_tries check (tries between 0 and 5),
    constraint password_resets_life check (expires_at > created_at)
);
comment on table password_resets is 'Requests to reset a password. One code each, five tries, ten minutes, one use.';
create index password_resets_email_key_idx on password_resets (email_key, created_at);
create index password_resets_expires_at_idx on password_resets (expires_at);

create table contact_codes (
    user_id         uuid        not null references users on delete cascade,
    channel         notification_channel not null,
    -- The address or number that the code was sent to, and the only one that it verifies.
    target          text        not null,
    -- HMAC-SHA-256 of user, channel, target and code.
    code_hash       bytea       not null,
    tries           smallint    not null default 0,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,

    -- A new code replaces the one before.
    constraint contact_codes_pkey primary key (user_id, channel),
    constraint contact_codes_channel check (channel in ('SMS', 'EMAIL')),
    constraint contact_codes_sha256 check (octet_length(code_hash) = 32),
    constraint contact_codes_tries check (tries between 0 and 5),
    constraint contact_codes_life check (expires_at > created_at)
);
comment on table contact_codes is
    'Codes sent to an address or number that its user wants to verify. Five tries, ten minutes, one use.';

alter table contact_codes enable row level security;
alter table contact_codes force row level security;
create policy own on contact_codes using (user_id = app_user()) with check (user_id = app_user());

create table second_factors (
    user_id         uuid        not null references users on delete cascade,
    -- The TOTP key, encrypted by the server, which needs the plain key to check a code.
    secret          bytea       not null,
    -- Null: enrolled, but no code was entered yet, so it is not required.
    confirmed_at    timestamptz,
    -- Time step of the last code that was accepted: neither that code nor an earlier one is accepted again.
    last_step       bigint      not null default 0,
    created_at      timestamptz not null,

    constraint second_factors_pkey primary key (user_id)
);
comment on table second_factors is 'The authenticator app that a user signs in with, besides the password.';

create table recovery_codes (
    user_id         uuid        not null references second_factors (user_id) on delete cascade,
    -- HMAC-SHA-256 of user and code.
    code_hash       bytea       not null,
    used_at         timestamptz,

    constraint recovery_codes_pkey primary key (user_id, code_hash),
    constraint recovery_codes_sha256 check (octet_length(code_hash) = 32)
);
comment on table recovery_codes is 'Ten codes that replace a lost authenticator app; each is accepted once.';

create table login_challenges (
    -- Random: only the client that entered the correct password knows it.
    id              uuid        not null,
    user_id         uuid        not null references users on delete cascade,
    -- The hash that the password was checked against: a new password invalidates the challenge.
    password_hash   text        not null,
    tries           smallint    not null default 0,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    used_at         timestamptz,

    constraint login_challenges_pkey primary key (id),
    constraint login_challenges_tries check (tries between 0 and 5),
    constraint login_challenges_life check (expires_at > created_at)
);
comment on table login_challenges is
    'Sign-ins with the correct password that wait for the second factor.';
create index login_challenges_user_id_idx on login_challenges (user_id);
create index login_challenges_expires_at_idx on login_challenges (expires_at);

create function set_second_factor_at() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        update users set second_factor_at = null where id = old.user_id;
    else
        update users set second_factor_at = new.confirmed_at
        where id = new.user_id and second_factor_at is distinct from new.confirmed_at;
    end if;
    return null;
end $$;
comment on function set_second_factor_at() is 'Maintains users.second_factor_at.';
create trigger set_second_factor_at after insert or update of confirmed_at or delete on second_factors for each row
    execute function set_second_factor_at();

create function log_changed_factor() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id) values (old.user_id);
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function log_changed_factor() is 'Records that a user confirmed or removed a second factor.';
create trigger log_changed after update of confirmed_at or delete on second_factors for each row
    execute function log_changed_factor();

grant select, insert, update, delete on attempt_limits, password_resets, contact_codes, second_factors, recovery_codes,
    login_challenges to comanda_app;
