-- Recovery and second factors: what was guessed at, codes that let somebody in again, what is asked beside a password.

create table guesses (
    -- HMAC-SHA-256 of what is guessed at and from where, under a key of the server: the table names nobody, and counts
    -- for addresses without an account as for all others.
    key             bytea       not null,
    count           integer     not null,
    -- Then the count begins anew.
    ends_at         timestamptz not null,

    constraint guesses_pkey primary key (key),
    constraint guesses_key_sha256 check (octet_length(key) = 32),
    constraint guesses_count_not_negative check (count >= 0)
);
comment on table guesses is 'How often somebody tried a password or a code. Kept here and not in Redis, so that no outage and no restart hands out new tries.';
create index guesses_ends_at_idx on guesses (ends_at);

create table password_resets (
    -- Random throughout: knowing it is what entitles to this request's tries.
    id              uuid        not null,
    -- HMAC-SHA-256 of the e-mail address it was asked for. Whether anybody has that address is not looked at before a
    -- right code comes back: who asks is answered equally fast, and the row tells nothing.
    email_key       bytea       not null,
    -- HMAC-SHA-256 of id and code; the code itself is known to its reader only.
    code_hash       bytea       not null,
    tries           smallint    not null default 0,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    used_at         timestamptz,

    constraint password_resets_pkey primary key (id),
    constraint password_resets_sha256 check (octet_length(email_key) = 32 and octet_length(code_hash) = 32),
    constraint password_resets_tries check (tries between 0 and 5),
    constraint password_resets_life check (expires_at > created_at)
);
comment on table password_resets is 'Somebody forgot a password. One code a request, five tries, ten minutes, one use.';
create index password_resets_email_key_idx on password_resets (email_key, created_at);
create index password_resets_expires_at_idx on password_resets (expires_at);

create table second_factors (
    user_id         uuid        not null references users on delete cascade,
    -- TOTP key, sealed by the server: needed in clear for each check.
    secret          bytea       not null,
    -- Null: shown, but no code of it was given yet; it is not asked for.
    confirmed_at    timestamptz,
    -- Time step of the last code taken: a code is good once, and none before it.
    last_step       bigint      not null default 0,
    created_at      timestamptz not null,

    constraint second_factors_pkey primary key (user_id)
);
comment on table second_factors is 'What a user is asked for beside the password.';

create table recovery_codes (
    user_id         uuid        not null references second_factors (user_id) on delete cascade,
    -- HMAC-SHA-256 of user and code.
    code_hash       bytea       not null,
    used_at         timestamptz,

    constraint recovery_codes_pkey primary key (user_id, code_hash),
    constraint recovery_codes_sha256 check (octet_length(code_hash) = 32)
);
comment on table recovery_codes is 'Ten codes for the day the phone is lost; each is good once.';

create table login_challenges (
    -- Random throughout: proof that the password was right a moment ago.
    id              uuid        not null,
    user_id         uuid        not null references users on delete cascade,
    -- The hash the password was checked against: another password since then voids the challenge.
    password_hash   text        not null,
    tries           smallint    not null default 0,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    used_at         timestamptz,

    constraint login_challenges_pkey primary key (id),
    constraint login_challenges_tries check (tries between 0 and 5),
    constraint login_challenges_life check (expires_at > created_at)
);
comment on table login_challenges is 'Half a sign-in: the password was right, the second factor is still to come.';
create index login_challenges_user_id_idx on login_challenges (user_id);
create index login_challenges_expires_at_idx on login_challenges (expires_at);

-- Its staff must have a second factor before they may act for it.
alter table restaurants add column require_second_factor boolean not null default false;

create function second_factor_suffices(restaurant uuid, person uuid) returns boolean language sql stable
    return not (select r.require_second_factor from restaurants r where r.id = restaurant)
        or exists (select from second_factors f where f.user_id = person and f.confirmed_at is not null);
comment on function second_factor_suffices(uuid, uuid) is 'Whether a membership counts: the restaurant asks for no second factor, or the person has one.';

-- Sockets and remembered sessions look again (see revocations) when a factor or the policy changes.
create function tell_of_factor() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id) values (old.user_id);
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function tell_of_factor() is 'The user has a second factor now, or none any more.';

create function tell_of_policy() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id) select user_id from memberships where restaurant_id = new.id;
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function tell_of_policy() is 'The restaurant asks its staff for a second factor now, or no longer.';

create trigger tell_changed after update of confirmed_at or delete on second_factors for each row execute function tell_of_factor();
create trigger tell_policy after update of require_second_factor on restaurants for each row
    when (old.require_second_factor <> new.require_second_factor) execute function tell_of_policy();

grant select, insert, update, delete on guesses, password_resets, second_factors, recovery_codes, login_challenges
    to comanda_app;
