-- Events: everything that happened, in the order in which it became visible.

create table event_epoch (
    singleton       boolean     primary key default true check (singleton),
    base            bigint      not null
);
comment on table event_epoch is 'Added to transaction ids to make event numbers, so that numbers keep growing when a dump is restored into another cluster, whose transaction ids start anew.';
insert into event_epoch (base) values (0);

-- An event's number is its transaction's id and its place within the transaction (at most 1,024 a transaction).
-- Ids are handed out in order, so once every transaction below a certain id has ended, no smaller number can appear
-- any more: a reader that stops short of that id never skips an event of a transaction that commits late.
create function event_seq(place integer) returns bigint language sql volatile
    return ((select base from event_epoch) + pg_current_xact_id()::text::bigint) * 1024 + place;
comment on function event_seq(integer) is 'The number of the current transaction''s event at this place (0–1023).';

-- Stable, so that it sees the snapshot of the statement that asks, and not a newer one.
create function event_horizon() returns bigint language sql stable
    return ((select base from event_epoch) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint) * 1024;
comment on function event_horizon() is 'Every event numbered below this is final; none can appear there any more.';

create table events (
    seq             bigint      not null,
    restaurant_id   uuid        not null,
    -- What the event is about: an order, a delivery, a restaurant.
    aggregate       text        not null,
    aggregate_id    uuid        not null,
    -- The order it concerns: an order's own events and those of its delivery.
    order_id        uuid,
    -- The aggregate's version after the event: shows a client that it missed one.
    version         bigint      not null,
    name            text        not null,
    -- In which capacity, and who, where it was a person.
    actor           order_actor not null,
    actor_id        uuid,
    -- The customer whose order it is about, where it is about one.
    customer_id     uuid,
    -- Equal to what a GET returned at that version. json, not jsonb: bytes in, bytes out.
    payload         json        not null,
    at              timestamptz not null,

    constraint events_pkey primary key (seq),
    -- A version happens once.
    constraint events_version_key unique (aggregate, aggregate_id, version),
    constraint events_aggregate check (aggregate in ('order', 'delivery', 'restaurant', 'menu'))
);
comment on table events is 'The one log that sockets, notifications and polling read. Appended in the transaction of the change, never altered.';
create index events_restaurant_id_idx on events (restaurant_id, seq);
create index events_order_id_idx on events (order_id, seq) where order_id is not null;
create index events_delivery_id_idx on events (aggregate_id, seq) where aggregate = 'delivery';
create index events_customer_id_idx on events (customer_id, seq) where customer_id is not null;

alter table events enable row level security;
alter table events force row level security;
create policy read on events for select using (
    restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
    or exists (select from deliveries d where d.restaurant_id = events.restaurant_id
               and d.order_id = events.order_id and d.driver_id = app_driver()));
create policy append on events for insert with check (
    restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform()
    or exists (select from deliveries d where d.restaurant_id = events.restaurant_id
               and d.order_id = events.order_id and d.driver_id = app_driver()));

-- The application's role owns nothing and bypasses nothing; it gets exactly this.
grant usage on schema public to comanda_app;
grant select, insert, update, delete on all tables in schema public to comanda_app;
revoke update, delete, truncate on events from comanda_app;
revoke insert, update, delete on event_epoch from comanda_app;
revoke all on _sqlx_migrations from comanda_app;
