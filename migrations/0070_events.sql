-- Events: everything that happened, in the order in which it became visible.

create table event_epoch (
    singleton       boolean     primary key default true check (singleton),
    base            bigint      not null
);
comment on table event_epoch is
    'Added to transaction ids to make event numbers, so that numbers go on growing when a dump is restored into '
    'another cluster, whose transaction ids start again.';
insert into event_epoch (base) values (0);

-- An event's number consists of its transaction's id and its place within the transaction (at most 1,024 in one). Ids
-- are given in order, so when every transaction below some id has ended, no smaller number can appear any more: a
-- reader that stops before that id never skips an event of a transaction that commits late.
--
-- plpgsql keeps the plan of a function for the session; the body of an SQL function with a subquery is planned anew by
-- every statement that calls it.
create function event_seq(place integer) returns bigint language plpgsql volatile as $$
begin
    return ((select base from event_epoch) + pg_current_xact_id()::text::bigint) * 1024 + place;
end $$;
comment on function event_seq(integer) is 'The number of the current transaction''s event at this place (0–1023).';

-- Stable, so that it sees the snapshot of the statement that calls it, and not a newer one.
create function event_horizon() returns bigint language plpgsql stable as $$
begin
    return ((select base from event_epoch) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint) * 1024;
end $$;
comment on function event_horizon() is 'Every event with a smaller number is final; no other can appear below it.';

create table events (
    seq             bigint      not null,
    restaurant_id   uuid        not null,
    -- The type of what the event is about, and its id.
    aggregate       text        not null,
    aggregate_id    uuid        not null,
    -- Of events of orders and of deliveries.
    order_id        uuid,
    -- The aggregate's version after the event: a gap shows a client that it missed one.
    version         bigint      not null,
    name            text        not null,
    -- In which capacity it was caused, and by whom; null: not by a user.
    actor           order_actor not null,
    actor_id        uuid,
    -- The customer of the order that it is about, where it is about one.
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
    'The one log that sockets, notifications and polling read. Appended in the transaction of the change, never '
    'altered.';
comment on column events.driver_id is
    'The driver who has the delivery after the event; null for other events and where nobody has.';
comment on column events.former_driver_id is
    'The driver who had the delivery until this event and no longer has; who learns that and nothing more of it.';
comment on column events.closed is
    'Whether the order or the delivery that the event is about is closed after it; the driver then sees no address in '
    'it.';
create index events_restaurant_id_idx on events (restaurant_id, seq);
create index events_order_id_idx on events (order_id, seq) where order_id is not null;
create index events_delivery_id_idx on events (aggregate_id, seq) where aggregate = 'delivery';
create index events_customer_id_idx on events (customer_id, seq) where customer_id is not null;
create index events_former_driver_idx on events (former_driver_id, seq) where former_driver_id is not null;

alter table events enable row level security;
alter table events force row level security;
-- A driver sees what happened to the order as long as the order itself, and what happened to the delivery afterwards
-- too, without the address.
create policy read on events for select using (
    restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
    or app_driver() is not null and (former_driver_id = app_driver()
        or driver_delivers(restaurant_id, order_id, aggregate = 'delivery')));
create policy append on events for insert with check (
    restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform()
    or app_driver() is not null and driver_delivers(restaurant_id, order_id, true));

grant select on event_epoch to comanda_app;
grant select, insert on events to comanda_app;
