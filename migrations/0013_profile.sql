-- Profile data: saved addresses, devices that receive push messages, and notification preferences.

create table user_addresses (
    user_id         uuid        not null references users on delete cascade,
    id              uuid        not null,
    -- "Home", "Office".
    label           text,
    address         text        not null,
    latitude        double precision,
    longitude       double precision,
    -- For the driver: bell, floor, gate.
    note            text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint user_addresses_pkey primary key (user_id, id),
    constraint user_addresses_length check (char_length(address) between 1 and 300),
    constraint user_addresses_place check (latitude between -90 and 90 and longitude between -180 and 180),
    constraint user_addresses_place_whole check ((latitude is null) = (longitude is null))
);
comment on table user_addresses is 'Delivery addresses that a user saved.';

create table push_devices (
    id              uuid        not null,
    user_id         uuid        not null references users on delete cascade,
    -- No push messages are sent after the session that registered the device has ended.
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
comment on table push_devices is
    'Devices that receive push messages. A target belongs to the user who signed in on it last.';
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
comment on table notification_preferences is
    'Which notifications a user wants, by channel. Without a row: all about orders, no marketing. Notifications about '
    'security cannot be declined. Not read yet: only notifications about accounts are sent.';

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
create policy change on notification_preferences for update
    using (user_id = app_user()) with check (user_id = app_user());
create policy remove on notification_preferences for delete using (user_id = app_user());

grant select, insert, update, delete on user_addresses, push_devices, notification_preferences to comanda_app;
