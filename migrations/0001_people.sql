-- People: who signs up, with which device they are signed in, and what they asked for exactly once.

-- Who a transaction acts for. The unit of work sets these for one transaction; unset means "nobody", and nobody
-- sees nothing. Row level security below reads them, so a forgotten predicate still shows no other restaurant.
create function app_user() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.user', true), '')::uuid;
comment on function app_user() is 'The signed-in user of this transaction, or null.';

create function app_tenant() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.tenant', true), '')::uuid;
comment on function app_tenant() is 'The restaurant on whose behalf this transaction acts (its staff, or a job of its own), or null.';

create function app_shop() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.shop', true), '')::uuid;
comment on function app_shop() is 'The restaurant a customer deals with in this transaction, or null.';

-- The transaction goes on as its user's at this restaurant; only a statement that finds the restaurant by something of the
-- user's own says so (`tests/it/tidy.rs`).
create function enter_shop(restaurant uuid) returns uuid language sql volatile
    return set_config('app.shop', restaurant::text, true)::uuid;
comment on function enter_shop(uuid) is 'From here on the transaction deals with this restaurant as a customer; returns the restaurant.';

create function app_driver() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.driver', true), '')::uuid;
comment on function app_driver() is 'The driver profile that acts in this transaction, or null.';

create function app_platform() returns boolean language sql stable parallel safe
    return coalesce(nullif(current_setting('app.platform', true), '')::boolean, false);
comment on function app_platform() is 'True when the platform itself acts: an ADMIN, the event relay, an operator''s command.';

create type user_role as enum ('CUSTOMER', 'STAFF', 'DRIVER', 'ADMIN');
comment on type user_role is 'What a user is to the platform. Sign-up makes a CUSTOMER; the rest is granted.';

create table users (
    id              uuid        primary key,
    email           text        not null,
    -- Argon2id in PHC form; the parameters are in the string, so they can rise with time.
    password_hash   text        not null,
    name            text        not null,
    phone           text,
    role            user_role   not null default 'CUSTOMER',
    disabled_at     timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    -- Stored as compared: lower case, so that two spellings are one account.
    constraint users_email_lower check (email = lower(email) and email like '%_@_%'),
    constraint users_name_length check (char_length(name) between 1 and 120),
    -- E.164, as every SMS gateway wants it.
    constraint users_phone_e164 check (phone ~ '^\+[1-9][0-9]{6,14}$')
);
comment on table users is 'Everybody who signed up: customers, staff, drivers and administrators.';
-- One account an e-mail address.
create unique index users_email_key on users (email);
create index users_role_idx on users (role) where role <> 'CUSTOMER';
create index users_created_at_idx on users (created_at);

create table sessions (
    id              uuid        primary key,
    user_id         uuid        not null references users on delete cascade,
    user_agent      text,
    ip              text,
    created_at      timestamptz not null,
    last_used_at    timestamptz not null,
    expires_at      timestamptz not null,
    revoked_at      timestamptz,
    revoked_reason  text,

    -- A session that ends before it begins was made with a broken clock.
    constraint sessions_life check (expires_at > created_at),
    constraint sessions_revoked_with_reason check ((revoked_at is null) = (revoked_reason is null))
);
comment on table sessions is 'One sign-in on one device. Sessions are revoked, not tokens.';
create index sessions_user_id_idx on sessions (user_id, created_at) where revoked_at is null;

create table idempotency_keys (
    user_id         uuid        not null references users on delete cascade,
    operation       text        not null,
    key             text        not null,
    -- SHA-256 of the request's path and body: the same key must mean the same request.
    fingerprint     bytea       not null,
    -- The answer, byte for byte; null only inside the transaction that is still working on it.
    status          smallint,
    body            bytea,
    created_at      timestamptz not null,

    constraint idempotency_keys_pkey primary key (user_id, operation, key),
    constraint idempotency_keys_key_length check (char_length(key) between 1 and 255),
    constraint idempotency_keys_fingerprint_sha256 check (octet_length(fingerprint) = 32)
);
comment on table idempotency_keys is 'What a client asked for exactly once, and the answer it got; written in the transaction of the effect.';
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy own on idempotency_keys using (user_id = app_user()) with check (user_id = app_user());
