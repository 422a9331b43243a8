-- A change of an order's status: everything that it writes, in one call that is a transaction of its own.

create function change_order_status(
    acting acting, flushes_later boolean,
    restaurant uuid, ordered uuid, version_before bigint, status_before order_status, is_answered boolean,
    new_status order_status, promised_at timestamptz, cancellable_until timestamptz, closed_at timestamptz,
    changed_at timestamptz,
    -- The change of its delivery as JSON; null: there is none.
    delivery_change text,
    -- The events, in their order.
    actor order_actor, aggregates text[], aggregate_ids uuid[], versions bigint[], names text[], customers uuid[],
    drivers uuid[], former_drivers uuid[], are_closed boolean[], payloads text[]
) returns boolean language plpgsql volatile as $$
declare
    -- PL/pgSQL evaluates an assignment without a query plan, which perform needs.
    ignored boolean;
    customer uuid;
begin
    ignored := flushes_later and set_config('synchronous_commit', 'off', true) is null;
    ignored := act_as(acting, true);
    update orders o
    set status = new_status, version = o.version + 1, promised_at = change_order_status.promised_at,
        cancellable_until = change_order_status.cancellable_until, cancel_reason = null, updated_at = changed_at,
        closed_at = change_order_status.closed_at
    where o.restaurant_id = restaurant and o.id = ordered and o.version = version_before and o.status = status_before
    returning o.customer_id into customer;
    if not found then
        return false;
    end if;
    if is_answered then
        update order_networks n set closed_at = change_order_status.closed_at, unanswered_portions = 0
        where n.restaurant_id = restaurant and n.order_id = ordered;
    end if;
    if delivery_change is not null
        and not follow_order(restaurant, ordered, customer, acting.driver, changed_at, delivery_change::json)
    then
        raise exception 'the delivery has changed' using errcode = 'QO002';
    end if;
    insert into events (seq, restaurant_id, aggregate, aggregate_id, order_id, version, name, actor, actor_id,
        customer_id, driver_id, former_driver_id, closed, payload, at)
    select event_seq((e.place - 1)::integer), restaurant, e.aggregate, e.id, ordered, e.version, e.name, actor,
        acting.person, e.customer, e.driver, e.former_driver, e.closed, e.payload::json, changed_at
    from unnest(aggregates, aggregate_ids, versions, names, customers, drivers, former_drivers, are_closed, payloads)
        with ordinality
        as e(aggregate, id, version, name, customer, driver, former_driver, closed, payload, place);
    return true;
end $$;
comment on function change_order_status is
    'Changes the status of an order that has the version and the status on which the change was decided, with what '
    'follows of its delivery, and appends the events. False: the order has changed meanwhile, and nothing was written. '
    'Raises QO002 if the delivery has changed, and QP401, QP403 or QP404 if the grant is gone. Cancellations, which '
    'return stock, slot and coupon, need a transaction of several statements. Called by src/orders/sql/status.rs.';
grant execute on function change_order_status to comanda_app;
