-- Users: everybody who registered. Sessions, recovery and preferences are in the files after this one.

create type user_role as enum ('CUSTOMER', 'STAFF', 'DRIVER', 'ADMIN');
comment on type user_role is
    'The role of a user on the platform. Registration creates a CUSTOMER; the other roles are granted.';

create table users (
    id              uuid        primary key,
    -- In lower case, so that two spellings of an address belong to one account.
    email           text        not null,
    email_verified_at timestamptz,
    -- Argon2id in PHC form. The parameters are part of the string, so they can be raised over time.
    password_hash   text        not null,
    name            text        not null,
    -- E.164, the format that SMS gateways take; null: none given.
    phone           text,
    phone_verified_at timestamptz,
    -- BCP 47: the language of messages to the user.
    locale          text        not null default 'en',
    -- When each field was last written, by the clock of the device that wrote it: the latest write holds, field by
    -- field. Null: not written since registration.
    name_at         timestamptz,
    phone_at        timestamptz,
    locale_at       timestamptz,
    role            user_role   not null default 'CUSTOMER',
    membership_count integer    not null default 0,
    second_factor_at timestamptz,
    -- Null: never.
    sessions_ended_at timestamptz,
    -- Null: enabled.
    disabled_at     timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint users_email_lower check (email = lower(email) and email like '%_@_%'),
    constraint users_name_length check (char_length(name) between 1 and 120),
    constraint users_phone_e164 check (phone ~ '^\+[1-9][0-9]{6,14}$'),
    constraint users_phone_verified check (phone_verified_at is null or phone is not null),
    constraint users_locale_form check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' and char_length(locale) <= 35),
    constraint users_membership_count_not_negative check (membership_count >= 0)
);
comment on table users is 'Everybody who registered: customers, staff, drivers and administrators.';
comment on column users.email_verified_at is
    'When a code that was sent to the address was first entered. Null: unverified; anybody may have registered with it.';
comment on column users.phone_verified_at is
    'When a code that was sent to the number was entered. Null: unverified, and no code that signs in is sent there; '
    'reset to null when the number changes.';
comment on column users.membership_count is
    'The number of the user''s memberships, maintained by a trigger on memberships. If it is above 0, sessions have '
    'the lifetimes of staff, whatever the role.';
comment on column users.second_factor_at is
    'When the second factor was confirmed; null: none is required to sign in. Maintained by a trigger on '
    'second_factors. It is a column of this table because opening a session locks this row: a sign-in that was checked '
    'before cannot open a session afterwards.';
comment on column users.sessions_ended_at is
    'When all sessions were last ended: by a new password, a recovery, signing out everywhere, a change of the second '
    'factor, or an operator. Device tokens issued before that are invalid, and offline operations of sessions that '
    'ended before that are not run.';
-- One account for each e-mail address.
create unique index users_email_key on users (email);
-- Administrators search by the beginning of an address.
create index users_email_beginning_idx on users (email text_pattern_ops);
create index users_role_idx on users (role) where role <> 'CUSTOMER';
create index users_created_at_idx on users (created_at);

create function clear_phone_verification() returns trigger language plpgsql as $$
begin
    new.phone_verified_at := null;
    return new;
end $$;
comment on function clear_phone_verification() is
    'Makes a changed number unverified: codes sent to the previous number do not verify it.';
create trigger clear_phone_verification before update of phone on users for each row
    when (old.phone is distinct from new.phone) execute function clear_phone_verification();

grant select, insert, update, delete on users to comanda_app;
