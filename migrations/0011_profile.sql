-- What a user keeps: profile fields that several devices may write, addresses, devices, wishes; and invitations.

alter table users
    add column locale    text not null default 'en',
    -- When a field was last written, by the clock of whoever wrote it: the latest wins, field by field. Null: at sign-up.
    add column name_at   timestamptz,
    add column phone_at  timestamptz,
    add column locale_at timestamptz,
    -- BCP 47, as far as templates of texts are named by it.
    add constraint users_locale_form check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' and char_length(locale) <= 35);
-- An administrator looks for the beginning of an address.
create index users_email_beginning_idx on users (email text_pattern_ops);

create table user_addresses (
    user_id         uuid        not null references users on delete cascade,
    id              uuid        not null,
    -- "Home", "Office".
    label           text,
    address         text        not null,
    latitude        double precision,
    longitude       double precision,
    -- What a driver should know: bell, floor, gate.
    note            text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint user_addresses_pkey primary key (user_id, id),
    constraint user_addresses_length check (char_length(address) between 1 and 300),
    constraint user_addresses_place check (latitude between -90 and 90 and longitude between -180 and 180),
    constraint user_addresses_place_whole check ((latitude is null) = (longitude is null))
);
comment on table user_addresses is 'Where a user wants things brought, kept for the next order.';

create table push_devices (
    id              uuid        not null,
    user_id         uuid        not null references users on delete cascade,
    -- Pushes end with the session that registered the device.
    session_id      uuid        not null references sessions on delete cascade,
    kind            text        not null,
    -- FCM's registration token, or the browser's push subscription as JSON.
    target          text        not null,
    locale          text        not null,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint push_devices_pkey primary key (id),
    constraint push_devices_kind check (kind in ('fcm', 'webpush')),
    constraint push_devices_target_length check (octet_length(target) between 1 and 2000)
);
comment on table push_devices is 'Where pushes to a user go. A target belongs to whoever signed in on it last.';
create unique index push_devices_target_key on push_devices (kind, target);
create index push_devices_user_id_idx on push_devices (user_id);
create index push_devices_session_id_idx on push_devices (session_id);

create table notification_preferences (
    user_id         uuid        not null references users on delete cascade,
    order_push      boolean     not null,
    order_sms       boolean     not null,
    order_email     boolean     not null,
    marketing_push  boolean     not null,
    marketing_sms   boolean     not null,
    marketing_email boolean     not null,
    updated_at      timestamptz not null,

    constraint notification_preferences_pkey primary key (user_id)
);
comment on table notification_preferences is 'What a user wants to be told, and how. Without a row: orders yes, marketing no. Security cannot be declined.';

create table invitations (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    -- The address it is for, lower case; perhaps nobody has signed up with it yet.
    email           text        not null,
    role            member_role not null,
    -- SHA-256 of a random code of 128 bits. An address proves nothing: whoever signs up with it first is not
    -- necessarily the one who is meant.
    code_hash       bytea       not null,
    invited_by      uuid        references users on delete set null,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,

    constraint invitations_pkey primary key (restaurant_id, id),
    -- A second invitation takes the place of the first.
    constraint invitations_email_key unique (restaurant_id, email),
    constraint invitations_code_sha256 check (octet_length(code_hash) = 32)
);
comment on table invitations is 'Somebody is to work for a restaurant, once they have an account and show the code. Gone when accepted.';
create index invitations_email_idx on invitations (email);

alter table user_addresses enable row level security;
alter table user_addresses force row level security;
create policy own on user_addresses using (user_id = app_user()) with check (user_id = app_user());

alter table push_devices enable row level security;
alter table push_devices force row level security;
create policy own on push_devices
    using (user_id = app_user() or app_platform()) with check (user_id = app_user() or app_platform());

alter table notification_preferences enable row level security;
alter table notification_preferences force row level security;
create policy read on notification_preferences for select using (user_id = app_user() or app_platform());
create policy add on notification_preferences for insert with check (user_id = app_user());
create policy change on notification_preferences for update using (user_id = app_user()) with check (user_id = app_user());
create policy remove on notification_preferences for delete using (user_id = app_user());

alter table invitations enable row level security;
alter table invitations force row level security;
create policy read on invitations for select using (
    restaurant_id = app_tenant() or app_platform() or email = (select u.email from users u where u.id = app_user()));
create policy add on invitations for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on invitations for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on invitations for delete using (restaurant_id = app_tenant() or app_platform());

grant select, insert, update, delete on user_addresses, push_devices, notification_preferences, invitations
    to comanda_app;
