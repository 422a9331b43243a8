-- Deliveries: which driver brings an order to its address. With the policies of orders and their lines, which depend on
-- them.

create type delivery_status as enum
    ('WAITING', 'OFFERED', 'ASSIGNED', 'ARRIVED', 'PICKED_UP', 'DELIVERED', 'FAILED', 'CANCELLED');
comment on type delivery_status is 'The permitted changes are a table in src/delivery/status.rs.';

create table deliveries (
    restaurant_id   uuid        not null,
    id              uuid        not null,
    order_id        uuid        not null,
    customer_id     uuid        not null references users,
    driver_id       uuid        references drivers,
    status          delivery_status not null,
    version         bigint      not null default 1,
    -- Why this driver was chosen.
    assigned_because text,
    reason          text
        constraint deliveries_reason_length check (char_length(reason) between 1 and 500),
    assigned_at     timestamptz,
    picked_up_at    timestamptz,
    -- Set in the final statuses, as orders.closed_at.
    closed_at       timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint deliveries_pkey primary key (restaurant_id, id),
    -- An id is unique across restaurants.
    constraint deliveries_id_key unique (id),
    constraint deliveries_order_key unique (restaurant_id, order_id),
    constraint deliveries_order_fkey foreign key (restaurant_id, order_id)
        references orders (restaurant_id, id) on delete cascade,
    constraint deliveries_driver check (status <> 'WAITING' or driver_id is null),
    constraint deliveries_assigned_has_driver check (status not in ('ASSIGNED', 'ARRIVED') or driver_id is not null),
    constraint deliveries_closed_at_the_end
        check ((status in ('DELIVERED', 'FAILED', 'CANCELLED')) = (closed_at is not null)),
    constraint deliveries_failed_after_pickup
        check ((status in ('PICKED_UP', 'DELIVERED', 'FAILED')) <= (picked_up_at is not null))
) with (fillfactor = 80);
comment on table deliveries is 'The delivery of one order, from the kitchen to its address.';
comment on column deliveries.reason is
    'Why it was handed back (WAITING) or could not be handed over (FAILED), as the person who said so wrote it; null '
    'in every other status.';
comment on constraint deliveries_reason_length on deliveries is 'Between 1 and 500 characters.';
comment on constraint deliveries_failed_after_pickup on deliveries is
    'A delivery that is picked up, delivered or failed has a time of pickup.';
-- A driver has one open delivery at a time: of two assignments of the same driver at once, one is refused.
create unique index deliveries_driver_busy_key on deliveries (driver_id)
    where closed_at is null and driver_id is not null;
create index deliveries_driver_idx on deliveries (driver_id, created_at desc) where driver_id is not null;
create index deliveries_open_idx on deliveries (restaurant_id, created_at) where closed_at is null;

create function clear_location_after_delivery() returns trigger language plpgsql as $$
begin
    -- Waits for a concurrent change of the driver's availability; locked after the order and its delivery.
    perform from drivers where id = old.driver_id for no key update;
    update drivers set updated_at = new.updated_at where id = old.driver_id and not online and latitude is not null;
    return null;
end $$;
comment on function clear_location_after_delivery() is
    'Makes the trigger clear_location on drivers run again when a delivery ends whose driver is off duty.';
create trigger clear_location after update on deliveries
    for each row when (old.driver_id is not null and old.closed_at is null
        and (new.closed_at is not null or new.driver_id is distinct from old.driver_id))
    execute function clear_location_after_delivery();
comment on trigger clear_location on deliveries is
    'The location of a driver who goes off duty during a delivery is kept until the delivery has ended.';

-- Queries of policies are in functions: PostgreSQL calls a function only for rows that no cheaper part of the policy
-- admits. A subquery in the policy would be planned and prepared in every statement on the table.
create function works_at(restaurant uuid) returns boolean language plpgsql stable as $$
begin
    return exists (select from memberships m where m.restaurant_id = restaurant and m.user_id = app_user());
end $$;
comment on function works_at(uuid) is 'Whether the user of the transaction is a member of the restaurant.';

create function driver_delivers(restaurant uuid, ordered uuid, also_closed boolean) returns boolean
language plpgsql stable as $$
begin
    return exists (select from deliveries d where d.restaurant_id = restaurant and d.order_id = ordered
                   and d.driver_id = app_driver() and (d.closed_at is null or also_closed));
end $$;
comment on function driver_delivers(uuid, uuid, boolean) is
    'Whether the driver of the transaction has the delivery of the order; also_closed: even if it is closed.';

create function order_is_visible(restaurant uuid, ordered uuid) returns boolean language plpgsql stable as $$
begin
    return exists (select from orders o where o.restaurant_id = restaurant and o.id = ordered);
end $$;
comment on function order_is_visible(uuid, uuid) is 'Whether the policies of orders show the transaction this order.';

alter table deliveries enable row level security;
alter table deliveries force row level security;
create policy read on deliveries for select using (
    restaurant_id = app_tenant() or driver_id = app_driver() or customer_id = app_user() or app_platform()
    or works_at(restaurant_id));
create policy open on deliveries for insert
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
create policy change on deliveries for update
    using (restaurant_id = app_tenant() or driver_id = app_driver() or customer_id = app_user() or app_platform())
    with check (restaurant_id = app_tenant() or driver_id = app_driver() or customer_id = app_user() or app_platform());

-- Orders are visible to the restaurant's staff, to the customer, and to the driver from the assignment until the
-- delivery is closed.
alter table orders enable row level security;
alter table orders force row level security;
create policy read on orders for select using (
    restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
    or app_driver() is not null and driver_delivers(restaurant_id, id, false)
    or works_at(restaurant_id));
create policy place on orders for insert with check (
    restaurant_id = app_tenant() or (restaurant_id = app_shop() and customer_id = app_user()) or app_platform());
create policy change on orders for update
    using (restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
        or app_driver() is not null and driver_delivers(restaurant_id, id, false))
    with check (restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
        or app_driver() is not null and driver_delivers(restaurant_id, id, false));

-- Lines are visible to whoever sees the order.
alter table order_items enable row level security;
alter table order_items force row level security;
create policy read on order_items for select using (
    restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
    or order_is_visible(restaurant_id, order_id));
create policy place on order_items for insert with check (
    restaurant_id = app_tenant() or (restaurant_id = app_shop() and customer_id = app_user()) or app_platform());

grant select, insert, update, delete on deliveries to comanda_app;

create function follow_order(
    restaurant uuid, ordered uuid, customer uuid, driver uuid, changed_at timestamptz, change json
) returns boolean language plpgsql volatile as $$
begin
    if change ->> 'version' is null then
        insert into deliveries (restaurant_id, id, order_id, customer_id, status, created_at, updated_at)
        values (restaurant, (change ->> 'id')::uuid, ordered, customer, (change ->> 'status')::delivery_status,
            changed_at, changed_at);
    else
        update deliveries d
        set status = (change ->> 'status')::delivery_status, version = d.version + 1, updated_at = changed_at,
            picked_up_at = coalesce((change ->> 'pickedUpAt')::timestamptz, d.picked_up_at),
            closed_at = (change ->> 'closedAt')::timestamptz, reason = null
        where d.restaurant_id = restaurant and d.order_id = ordered and d.id = (change ->> 'id')::uuid
            and d.version = (change ->> 'version')::bigint;
        if not found then
            return false;
        end if;
    end if;
    if driver is not null then
        -- Locked after the delivery.
        update drivers p set seen_at = changed_at where p.id = driver;
    end if;
    return true;
end $$;
comment on function follow_order is
    'Opens the delivery of an order (no version), or changes its status if it still has the version. A driver who made '
    'the change was active. False: the delivery has changed meanwhile. The change was decided in '
    'src/delivery/actions/follow.rs; change_order_status calls this.';
grant execute on function follow_order to comanda_app;
