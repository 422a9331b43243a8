-- Events: the log of all changes, in the order in which they became visible.

create table event_epoch (
    singleton       boolean     primary key default true check (singleton),
    base            bigint      not null
);
comment on table event_epoch is
    'Added to transaction ids to compute event numbers, so that numbers still increase after a dump is restored into '
    'another cluster, whose transaction ids are smaller.';
insert into event_epoch (base) values (0);

-- An event's number consists of its transaction's id and its position within the transaction (at most 1,024). Ids are
-- assigned in order, so once every transaction below an id has ended, no smaller number can appear: a reader that stops
-- before that id never skips an event of a transaction that commits late.
--
-- In plpgsql, because it keeps the plan of a function for the session; the body of an SQL function with a subquery is
-- planned again by every statement that calls it.
create function event_seq(place integer) returns bigint language plpgsql volatile as $$
begin
    return ((select base from event_epoch) + pg_current_xact_id()::text::bigint) * 1024 + place;
end $$;
comment on function event_seq(integer) is 'The number of the current transaction''s event at this position (0–1023).';

-- Stable, so that it sees the snapshot of the statement that calls it, and not a newer one.
create function event_horizon() returns bigint language plpgsql stable as $$
begin
    return ((select base from event_epoch) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint) * 1024;
end $$;
comment on function event_horizon() is 'No event with a smaller number can appear any more.';

create table events (
    seq             bigint      not null,
    restaurant_id   uuid        not null,
    -- The type and the id of the aggregate that the event is about.
    aggregate       text        not null,
    aggregate_id    uuid        not null,
    -- Of events of orders and of deliveries.
    order_id        uuid,
    -- The aggregate's version after the event: a gap shows a client that it missed one.
    version         bigint      not null,
    name            text        not null,
    -- The capacity in which somebody caused it, and the user; null: not a user.
    actor           order_actor not null,
    actor_id        uuid,
    -- The customer of the order that it is about; null: it is not about an order.
    customer_id     uuid,
    driver_id       uuid,
    former_driver_id uuid,
    closed          boolean     not null default false,
    -- Equal to what a GET returned at that version. json, not jsonb, because it keeps the bytes.
    payload         json        not null,
    at              timestamptz not null,

    constraint events_pkey primary key (seq),
    constraint events_version_key unique (aggregate, aggregate_id, version),
    constraint events_aggregate check (aggregate in ('order', 'delivery', 'restaurant', 'menu'))
);
comment on table events is
    'The log that sockets, the history of an order and comanda check read. Rows are appended in the transaction of the '
    'change and never changed.';
comment on column events.driver_id is
    'The driver who has the delivery after the event; null: no driver has it, or the event is not about a delivery.';
comment on column events.former_driver_id is
    'The driver who lost the delivery by this event and is told only that; null: no driver did.';
comment on column events.closed is
    'Whether the order or the delivery of the event is closed after it; drivers then see no address in it.';
create index events_restaurant_id_idx on events (restaurant_id, seq);
create index events_order_id_idx on events (order_id, seq) where order_id is not null;
create index events_delivery_id_idx on events (aggregate_id, seq) where aggregate = 'delivery';
create index events_customer_id_idx on events (customer_id, seq) where customer_id is not null;
create index events_former_driver_idx on events (former_driver_id, seq) where former_driver_id is not null;

alter table events enable row level security;
alter table events force row level security;
-- A driver sees events of the order as long as the order itself, and events of the delivery also afterwards, without
-- the address.
create policy read on events for select using (
    restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
    or app_driver() is not null and (former_driver_id = app_driver()
        or driver_delivers(restaurant_id, order_id, aggregate = 'delivery')));
create policy append on events for insert with check (
    restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform()
    or app_driver() is not null and driver_delivers(restaurant_id, order_id, true));

grant select on event_epoch to comanda_app;
grant select, insert on events to comanda_app;
