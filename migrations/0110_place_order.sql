-- Placing an order: everything that it writes, in one call.

create function take_stock(
    restaurant uuid, by_order uuid, taken_at timestamptz,
    item_ids uuid[], item_portions integer[], modifier_ids uuid[], modifier_portions integer[]
) returns boolean language plpgsql volatile as $$
declare
    -- PL/pgSQL evaluates an assignment without a query plan, which perform needs.
    ignored boolean;
    is_enough boolean;
    sold_out boolean := false;
    group_sold_out boolean := false;
begin
    ignored := lock_stock(restaurant) is null;
    if cardinality(item_ids) > 0 then
        with taken as (
            update menu_items i set stock = i.stock - n.portions, updated_at = taken_at
            from unnest(item_ids, item_portions) as n(item, portions)
            where i.restaurant_id = restaurant and i.id = n.item and i.stock >= n.portions
            returning i.id, n.portions, i.stock
        ), written as (
            insert into stock_ledger (restaurant_id, item_id, order_id, delta, reason, at)
            select restaurant, t.id, by_order, -t.portions, 'SOLD', taken_at from taken t
        )
        select count(*) = cardinality(item_ids), coalesce(bool_or(t.stock = 0), false)
        into is_enough, sold_out from taken t;
        if not is_enough then
            raise exception 'the stock of an item is too low' using errcode = 'QO002';
        end if;
    end if;
    if cardinality(modifier_ids) > 0 then
        with taken as (
            update modifiers m set stock = m.stock - n.portions, updated_at = taken_at
            from unnest(modifier_ids, modifier_portions) as n(modifier, portions)
            where m.restaurant_id = restaurant and m.id = n.modifier and m.stock >= n.portions
            returning m.id, m.group_id, n.portions, m.stock
        ), written as (
            insert into stock_ledger (restaurant_id, modifier_id, order_id, delta, reason, at)
            select restaurant, t.id, by_order, -t.portions, 'SOLD', taken_at from taken t
        ), of_groups as (
            select t.group_id, min(t.stock) as least from taken t group by t.group_id
        )
        select (select count(*) from taken) = cardinality(modifier_ids),
            exists (select from of_groups g where menu_shows_stock(restaurant, g.group_id, g.least + 1, g.least))
        into is_enough, group_sold_out;
        if not is_enough then
            raise exception 'the stock of a modifier is too low' using errcode = 'QO002';
        end if;
    end if;
    return sold_out or group_sold_out;
end $$;
comment on function take_stock is
    'Takes counted stock for an order, and writes the ledger; whether the menu may change because something is sold out. '
    'Raises QO002 if anything is too low.';
grant execute on function take_stock to comanda_app;

create function is_current(restaurant uuid, restaurant_version bigint, menu_version bigint) returns boolean
language plpgsql volatile as $$
begin
    return exists (
        select from restaurants r left join menus m on m.restaurant_id = r.id
        where r.id = restaurant and r.version = restaurant_version and coalesce(m.version, 1) = menu_version);
end $$;
comment on function is_current is
    'Whether a restaurant and its menu still have these versions, as far as it is committed when this is called.';
grant execute on function is_current to comanda_app;

create function place_order(
    -- Of a call that is a transaction of its own; null within a transaction that the caller began.
    request_key text, request_fingerprint bytea, operation text, flushes_later boolean,
    restaurant_version bigint, menu_version bigint, cart_version bigint,
    recent_since timestamptz, maxima bigint[],
    -- The order as JSON in two parts, between which its number is written; and the event before the order.
    event_name text, event_head text, order_head text, order_tail text,
    -- The counted stock that it takes.
    item_ids uuid[], item_portions integer[], modifier_ids uuid[], modifier_portions integer[],
    -- The network it came from, if it is counted.
    network bytea, site bytea,
    -- The order and its lines, as in the tables.
    restaurant uuid, order_id uuid, customer uuid, placed_at timestamptz, day date, from_cart uuid, from_quote uuid,
    fulfilment fulfilment, currency text, items_total bigint, tax_total bigint, tax_included bigint,
    tax_rates integer[], tax_nets bigint[], tax_amounts bigint[], tax_rounding rounding_mode,
    tax_rounding_level tax_rounding_level, delivery_fee bigint, service_fee bigint, tip bigint, discount bigint,
    total bigint, coupon_code text, address text, latitude double precision, longitude double precision,
    delivery_zone text, lead_minutes smallint, dining_table text, note text, scheduled_from timestamptz,
    scheduled_until timestamptz, slot timestamptz, ready_from timestamptz, ready_until timestamptz,
    accept_by timestamptz, lines_size integer,
    lines smallint[], line_items uuid[], line_names text[], line_prices bigint[], line_quantities integer[],
    line_totals bigint[], line_notes text[], line_modifiers text[], line_allergens text[], line_taxes text[],
    out number integer, out menu_changed boolean, out outcome text
) language plpgsql volatile as $$
declare
    is_alone constant boolean := request_key is not null;
    -- PL/pgSQL evaluates an assignment without a query plan, which perform needs.
    ignored boolean;
    portions integer;
    load record;
    order_json text;
begin
    menu_changed := false;
    if maxima is not null or network is not null then
        portions := (select sum(q.portions) from unnest(line_quantities) as q(portions));
    end if;
    if is_alone then
        ignored := set_config('app.user', customer::text, true) is null
            or set_config('app.shop', restaurant::text, true) is null
            or (flushes_later and set_config('synchronous_commit', 'off', true) is null);
        -- A concurrent request with the same key waits here until this one has ended, before it has taken other locks.
        ignored := lock_key(customer, operation, request_key) is null;
        if exists (select from idempotency_keys k
                   where k.user_id = customer and k.operation = place_order.operation and k.key = request_key)
        then
            outcome := 'DECLINED';
            return;
        end if;
        if from_cart is not null then
            perform from carts c
            where c.restaurant_id = restaurant and c.id = from_cart and c.user_id = customer and c.status = 'OPEN'
                and c.version = cart_version
            for no key update;
            if not found then
                outcome := 'DECLINED';
                return;
            end if;
        end if;
        if not is_current(restaurant, restaurant_version, menu_version) then
            outcome := 'OUTDATED';
            return;
        end if;
        if maxima is not null then
            load := order_load(restaurant, customer, recent_since, network, site);
            if load.works_here then
                network := null;
                site := null;
            elsif load.open_orders >= maxima[1] or load.for_later >= maxima[2] or load.recent >= maxima[3]
                or load.unanswered + portions > maxima[4]
                or load.network_open >= maxima[5] or load.network_for_later >= maxima[6]
                or load.network_recent >= maxima[7] or load.network_unanswered + portions > maxima[8]
                or load.site_open >= maxima[9] or load.site_for_later >= maxima[10]
                or load.site_recent >= maxima[11] or load.site_unanswered + portions > maxima[12]
                or load.recent_anywhere >= maxima[13]
            then
                outcome := 'DECLINED';
                return;
            end if;
        end if;
    end if;

    if cardinality(item_ids) + cardinality(modifier_ids) > 0 then
        if is_alone then
            menu_changed := take_stock(
                restaurant, order_id, placed_at, item_ids, item_portions, modifier_ids, modifier_portions);
            if menu_changed then
                raise exception 'the menu changes with this order' using errcode = 'QO001';
            end if;
        else
            begin
                menu_changed := take_stock(
                    restaurant, order_id, placed_at, item_ids, item_portions, modifier_ids, modifier_portions);
            exception when sqlstate 'QO002' then
                return;
            end;
        end if;
    end if;

    insert into day_counters as c (restaurant_id, day, last_number) values (restaurant, place_order.day, 1)
    on conflict on constraint day_counters_pkey do update set last_number = c.last_number + 1
    returning c.last_number into number;

    insert into orders (restaurant_id, id, placed_at, updated_at, created_at, day, number, status, customer_id, cart_id,
        quote_id, fulfilment, currency, items_total, tax_total, tax_included, tax_rates, tax_nets, tax_amounts,
        tax_rounding, tax_rounding_level, delivery_fee, service_fee, tip, discount, total, coupon_code, address,
        latitude, longitude, delivery_zone, lead_minutes, dining_table, note, scheduled_from, scheduled_until, slot,
        ready_from, ready_until, accept_by, cancellable_until, lines_size)
    values (restaurant, order_id, placed_at, placed_at, placed_at, day, number, 'PENDING', customer, from_cart,
        from_quote, fulfilment, currency, items_total, tax_total, tax_included, tax_rates, tax_nets, tax_amounts,
        tax_rounding, tax_rounding_level, delivery_fee, service_fee, tip, discount, total, coupon_code, address,
        latitude, longitude, delivery_zone, lead_minutes, dining_table, note, scheduled_from, scheduled_until, slot,
        ready_from, ready_until, accept_by, accept_by, lines_size);

    insert into order_items (restaurant_id, order_id, customer_id, line, menu_item_id, name, unit_price, quantity,
        line_total, note, modifiers, allergens, taxes)
    select restaurant, place_order.order_id, customer, l.line, l.item, l.name, l.price, l.quantity, l.total, l.note,
        l.modifiers::json, l.allergens::json, l.taxes::json
    from unnest(lines, line_items, line_names, line_prices, line_quantities, line_totals, line_notes, line_modifiers,
            line_allergens, line_taxes)
        as l(line, item, name, price, quantity, total, note, modifiers, allergens, taxes);

    if from_cart is not null then
        update carts c
        set status = 'ORDERED', order_id = place_order.order_id, version = c.version + 1,
            updated_at = place_order.placed_at
        where c.restaurant_id = restaurant and c.id = from_cart;
    end if;
    if from_quote is not null then
        update quotes q set order_id = place_order.order_id where q.restaurant_id = restaurant and q.id = from_quote;
    end if;
    if network is not null then
        insert into order_networks (restaurant_id, order_id, network, site, for_later, unanswered_portions, placed_at)
        values (restaurant, order_id, network, site, scheduled_from is not null, portions, placed_at);
    end if;

    if is_alone then
        order_json := order_head || number || order_tail;
        insert into events (seq, restaurant_id, aggregate, aggregate_id, order_id, version, name, actor, actor_id,
            customer_id, payload, at)
        values (event_seq(0), restaurant, 'order', order_id, order_id, 1, event_name, 'CUSTOMER', customer, customer,
            (event_head || order_json || '}')::json, placed_at);
        insert into idempotency_keys (user_id, operation, key, fingerprint, status, body, created_at)
        values (customer, operation, request_key, request_fingerprint, 201, convert_to(order_json, 'UTF8'), placed_at);
        -- Again, so that it sees what was committed while this call waited for locks.
        if not is_current(restaurant, restaurant_version, menu_version) then
            raise exception 'the restaurant or its menu has changed' using errcode = 'QO002';
        end if;
    end if;
end $$;
comment on function place_order is
    'Takes stock, draws the number of the day, writes an order with its lines, closes its cart and uses its quote. With a '
    'key it is a whole request: it also checks the limits on orders, writes the event and the response of the key, and '
    'compares the versions of restaurant, menu and cart with those that the order was decided on. If nothing is written, '
    'the number is null, and the outcome of an order with a key is DECLINED if it needs a transaction, and OUTDATED if '
    'restaurant, menu or stock are not as it was decided on. If that is found only after something was written, it '
    'raises QO001 or QO002 instead. Called by src/orders/sql/place.rs.';
grant execute on function place_order to comanda_app;
