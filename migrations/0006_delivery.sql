-- Delivery: who carries an order to the door.

create table drivers (
    id              uuid        primary key,
    user_id         uuid        not null references users on delete cascade,
    vehicle         text        not null,
    -- Wants work. Whether the driver is busy follows from the deliveries.
    online          boolean     not null default false,
    latitude        double precision,
    longitude       double precision,
    located_at      timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    -- One profile a person.
    constraint drivers_user_key unique (user_id),
    constraint drivers_vehicle check (vehicle in ('BICYCLE', 'SCOOTER', 'CAR', 'FOOT')),
    constraint drivers_place check (latitude between -90 and 90 and longitude between -180 and 180),
    constraint drivers_place_whole check ((latitude is null) = (longitude is null)
        and (latitude is null) = (located_at is null)),
    -- Nobody is sent to a driver of whom it is not known where they are.
    constraint drivers_online_has_place check (not online or latitude is not null)
) with (fillfactor = 70);
comment on table drivers is 'The profile of a user who delivers, and the last place they were seen.';
create index drivers_online_idx on drivers (id) where online;

create type delivery_status as enum
    ('WAITING', 'OFFERED', 'ASSIGNED', 'ARRIVED', 'PICKED_UP', 'DELIVERED', 'FAILED', 'CANCELLED');
comment on type delivery_status is 'Which change may follow which is in src/delivery/status.rs, as data.';

create table deliveries (
    restaurant_id   uuid        not null,
    id              uuid        not null,
    order_id        uuid        not null,
    customer_id     uuid        not null references users,
    driver_id       uuid        references drivers,
    status          delivery_status not null,
    version         bigint      not null default 1,
    -- Why this driver: stored with the decision.
    assigned_because text,
    assigned_at     timestamptz,
    picked_up_at    timestamptz,
    closed_at       timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint deliveries_pkey primary key (restaurant_id, id),
    -- An id names one delivery wherever it is met.
    constraint deliveries_id_key unique (id),
    constraint deliveries_order_key unique (restaurant_id, order_id),
    constraint deliveries_order_fkey foreign key (restaurant_id, order_id)
        references orders (restaurant_id, id) on delete cascade,
    -- Waiting means nobody has it.
    constraint deliveries_driver check (status <> 'WAITING' or driver_id is null),
    constraint deliveries_assigned_has_driver check (status not in ('ASSIGNED', 'ARRIVED') or driver_id is not null),
    constraint deliveries_closed_at_the_end
        check ((status in ('DELIVERED', 'FAILED', 'CANCELLED')) = (closed_at is not null))
) with (fillfactor = 80);
comment on table deliveries is 'The way of one order from the kitchen to the door.';
-- A driver carries one order at a time: two assigners cannot take the same driver.
create unique index deliveries_driver_busy_key on deliveries (driver_id) where closed_at is null and driver_id is not null;
create index deliveries_driver_idx on deliveries (driver_id, created_at desc) where driver_id is not null;
create index deliveries_open_idx on deliveries (restaurant_id, created_at) where closed_at is null;

alter table deliveries enable row level security;
alter table deliveries force row level security;
create policy read on deliveries for select using (
    restaurant_id = app_tenant() or driver_id = app_driver() or customer_id = app_user() or app_platform()
    or exists (select from memberships m where m.restaurant_id = deliveries.restaurant_id and m.user_id = app_user()));
create policy open on deliveries for insert
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
create policy change on deliveries for update
    using (restaurant_id = app_tenant() or driver_id = app_driver() or customer_id = app_user() or app_platform())
    with check (restaurant_id = app_tenant() or driver_id = app_driver() or customer_id = app_user() or app_platform());

-- Orders are seen by the restaurant's staff, by the customer who placed them, and by the driver who carries them.
alter table orders enable row level security;
alter table orders force row level security;
create policy read on orders for select using (
    restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
    or exists (select from deliveries d where d.restaurant_id = orders.restaurant_id
               and d.order_id = orders.id and d.driver_id = app_driver())
    or exists (select from memberships m where m.restaurant_id = orders.restaurant_id and m.user_id = app_user()));
create policy place on orders for insert with check (
    restaurant_id = app_tenant() or (restaurant_id = app_shop() and customer_id = app_user()) or app_platform());
create policy change on orders for update
    using (restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
        or exists (select from deliveries d where d.restaurant_id = orders.restaurant_id
                   and d.order_id = orders.id and d.driver_id = app_driver()))
    with check (restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
        or exists (select from deliveries d where d.restaurant_id = orders.restaurant_id
                   and d.order_id = orders.id and d.driver_id = app_driver()));

-- Lines are seen by whoever sees the order.
alter table order_items enable row level security;
alter table order_items force row level security;
create policy read on order_items for select using (
    restaurant_id = app_tenant() or app_platform()
    or exists (select from orders o where o.restaurant_id = order_items.restaurant_id and o.id = order_items.order_id));
create policy place on order_items for insert with check (
    restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
