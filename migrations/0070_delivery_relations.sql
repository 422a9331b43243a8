-- What a driver may see ends with the job: an order while the driver carries it, and afterwards the delivery alone.

alter table events
    -- The driver whom the event took a delivery from: by another assignment, or because it was handed back.
    add column former_driver_id uuid;
comment on column events.former_driver_id is 'The driver who carried the delivery until this event and does not any more; they are told that, and nothing else of it.';
create index events_former_driver_idx on events (former_driver_id, seq) where former_driver_id is not null;

-- A delivery that ended before pickup was never carried: it was handed back or cancelled.
update deliveries set picked_up_at = coalesce(assigned_at, created_at)
where status in ('PICKED_UP', 'DELIVERED', 'FAILED') and picked_up_at is null;
alter table deliveries
    add constraint deliveries_failed_after_pickup
        check ((status in ('PICKED_UP', 'DELIVERED', 'FAILED')) <= (picked_up_at is not null));
comment on constraint deliveries_failed_after_pickup on deliveries is 'Only what was picked up can be on its way, delivered or failed.';

-- The driver sees the order from the assignment until the delivery is closed.
drop policy read on orders;
create policy read on orders for select using (
    restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
    or exists (select from deliveries d where d.restaurant_id = orders.restaurant_id
               and d.order_id = orders.id and d.driver_id = app_driver() and d.closed_at is null)
    or exists (select from memberships m where m.restaurant_id = orders.restaurant_id and m.user_id = app_user()));
drop policy change on orders;
create policy change on orders for update
    using (restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
        or exists (select from deliveries d where d.restaurant_id = orders.restaurant_id
                   and d.order_id = orders.id and d.driver_id = app_driver() and d.closed_at is null))
    with check (restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
        or exists (select from deliveries d where d.restaurant_id = orders.restaurant_id
                   and d.order_id = orders.id and d.driver_id = app_driver() and d.closed_at is null));

-- So with what happened to it; what happened to the delivery itself stays readable, without the door.
drop policy read on events;
create policy read on events for select using (
    restaurant_id = app_tenant() or customer_id = app_user() or app_platform()
    or former_driver_id = app_driver()
    or exists (select from deliveries d where d.restaurant_id = events.restaurant_id
               and d.order_id = events.order_id and d.driver_id = app_driver()
               and (d.closed_at is null or events.aggregate = 'delivery')));
