-- Notifications and the outbox of messages, written in the transaction of the change that they are about.

create type notification_category as enum ('SECURITY', 'ORDER', 'STAFF', 'MARKETING');
comment on type notification_category is
    'What a notification is about; SECURITY cannot be declined. The others are not used yet.';

create type delivery_state as enum ('PENDING', 'SENDING', 'SENT', 'DELIVERED', 'DEAD', 'SKIPPED');
comment on type delivery_state is
    'The state of a message: waiting, leased by a worker, accepted by the provider, confirmed by it, given up, or not '
    'to be sent.';

create table notifications (
    id              uuid        not null,
    -- Null: sent by the platform, not by a restaurant. Not used yet: always null.
    restaurant_id   uuid        references restaurants on delete cascade,
    -- Unique for its subject and recipient, for example 'reset-code:<id>'.
    dedupe_key      text        not null,
    -- The name of its kind (src/outbox/mod.rs), which determines the text.
    kind            text        not null,
    category        notification_category not null,
    -- Null: the recipient may have no account; only the address is known.
    user_id         uuid        references users on delete cascade,
    -- The language of the text. Not used yet: all texts are in English.
    locale          text        not null default 'en',
    -- Values of the text; no secrets. Not used yet: no text has any.
    data            jsonb       not null default '{}',
    -- A code to be sent, encrypted by the server; deleted once every message is final.
    secret          bytea,
    -- Not sent after that.
    expires_at      timestamptz,
    created_at      timestamptz not null,

    constraint notifications_pkey primary key (id),
    constraint notifications_once unique nulls not distinct (restaurant_id, dedupe_key)
);
comment on table notifications is 'A notification to one recipient; its messages are in notification_deliveries.';
create index notifications_created_at_idx on notifications (created_at);
create index notifications_user_id_idx on notifications (user_id) where user_id is not null;

create table notification_deliveries (
    id              uuid        not null,
    restaurant_id   uuid        references restaurants on delete cascade,
    notification_id uuid        not null references notifications on delete cascade,
    channel         notification_channel not null,
    -- Device, number or address.
    target          text        not null,
    -- True: for the account with this e-mail address, if there is one, whose channels the worker looks up.
    to_holder       boolean     not null default false,
    -- Messages with a lower number are sent first. 0: a code that a user waits for; 5: all others.
    priority        smallint    not null,
    state           delivery_state not null,
    attempts        smallint    not null default 0,
    next_attempt_at timestamptz not null,
    -- The end of the worker's lease, and the token that distinguishes the lease from earlier ones.
    lease_until     timestamptz,
    lease_token     uuid,
    provider        text,
    -- The provider's id of the message.
    provider_ref    text,
    error           text,
    -- The text of the message, encrypted: there is no provider yet, so it is not sent, and administrators read it with
    -- GET /api/admin/outbox.
    content         bytea,
    created_at      timestamptz not null,
    final_at        timestamptz,

    constraint notification_deliveries_pkey primary key (id),
    constraint notification_deliveries_once unique (notification_id, channel, target),
    constraint notification_deliveries_leased check ((state = 'SENDING') = (lease_token is not null)),
    constraint notification_deliveries_final check ((state in ('PENDING', 'SENDING')) = (final_at is null))
);
comment on table notification_deliveries is
    'The outbox: one message on one channel. Codes are sent only through this table.';
create index notification_deliveries_due_idx on notification_deliveries (priority, next_attempt_at)
    where state = 'PENDING';
create index notification_deliveries_lease_idx on notification_deliveries (lease_until) where state = 'SENDING';
create index notification_deliveries_created_at_idx on notification_deliveries (created_at, id);

alter table notifications enable row level security;
alter table notifications force row level security;
create policy read on notifications for select using (restaurant_id = app_tenant() or app_platform());
create policy add on notifications for insert
    with check (restaurant_id is null or restaurant_id in (app_tenant(), app_shop()) or app_platform());
create policy change on notifications for update using (app_platform()) with check (app_platform());
create policy remove on notifications for delete using (app_platform());

alter table notification_deliveries enable row level security;
alter table notification_deliveries force row level security;
create policy read on notification_deliveries for select using (restaurant_id = app_tenant() or app_platform());
create policy add on notification_deliveries for insert
    with check (restaurant_id is null or restaurant_id in (app_tenant(), app_shop()) or app_platform());
create policy change on notification_deliveries for update using (app_platform()) with check (app_platform());
create policy remove on notification_deliveries for delete using (app_platform());

grant select, insert, update, delete on notifications, notification_deliveries to comanda_app;
