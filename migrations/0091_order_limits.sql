-- Limits on how many orders one customer holds at one restaurant.

create function order_load(
    of_restaurant uuid, of_customer uuid, since timestamptz,
    out works_here boolean, out open_orders bigint, out for_later bigint, out recent bigint, out oldest_recent timestamptz
) language plpgsql volatile as $$
begin
    -- Held until the transaction ends: of many orders at once each counts those before it. Statements of a volatile function
    -- see what was committed while the lock was waited for.
    perform pg_advisory_xact_lock(hashtextextended(of_restaurant::text || of_customer::text, 0));
    select exists (select from memberships m where m.restaurant_id = of_restaurant and m.user_id = of_customer),
        count(*) filter (where o.closed_at is null),
        count(*) filter (where o.closed_at is null and o.scheduled_from is not null),
        count(*) filter (where o.placed_at > since),
        min(o.placed_at) filter (where o.placed_at > since)
    into works_here, open_orders, for_later, recent, oldest_recent
    from (select closed_at, scheduled_from, placed_at from orders
          where restaurant_id = of_restaurant and customer_id = of_customer
          order by placed_at desc limit 1000) o;
end $$;
comment on function order_load(uuid, uuid, timestamptz) is 'How many of a customer''s latest 1000 orders at a restaurant are open, open for later, and recent, under a lock that serialises the customer''s orders there; and whether the customer works there.';
grant execute on function order_load(uuid, uuid, timestamptz) to comanda_app;
