-- Limits on how many orders a customer, and the accounts of one network together, hold at one restaurant.

create table order_networks (
    restaurant_id   uuid        not null,
    order_id        uuid        not null,
    -- A keyed hash of the restaurant and the network: it reveals no address, and differs between restaurants.
    network         bytea       not null,
    -- The same of the IPv6 /48 that contains the network.
    site            bytea,
    for_later       boolean     not null,
    -- The portions of the order until somebody at the restaurant has answered it; then 0.
    unanswered_portions integer not null,
    placed_at       timestamptz not null,
    -- The same as of the order.
    closed_at       timestamptz,

    constraint order_networks_pkey primary key (restaurant_id, order_id),
    constraint order_networks_order_fkey foreign key (restaurant_id, order_id)
        references orders (restaurant_id, id) on delete cascade,
    constraint order_networks_network_length check (octet_length(network) = 16),
    constraint order_networks_site_length check (octet_length(site) = 16),
    constraint order_networks_portions_not_negative check (unanswered_portions >= 0)
);
comment on table order_networks is
    'From which network an order was placed, where orders are limited for each network and the customer does not work '
    'for the restaurant. Kept while the order is open, and an hour after it was placed.';
create index order_networks_network_idx on order_networks (restaurant_id, network);
create index order_networks_site_idx on order_networks (restaurant_id, site) where site is not null;
-- For the job that deletes rows which are no longer needed.
create index order_networks_closed_at_idx on order_networks (closed_at) where closed_at is not null;

create function order_load(
    of_restaurant uuid, of_customer uuid, since timestamptz, from_network bytea, from_site bytea,
    out works_here boolean,
    out open_orders bigint, out for_later bigint, out recent bigint, out oldest_recent timestamptz,
    out unanswered bigint,
    out recent_anywhere bigint, out oldest_anywhere timestamptz,
    out network_open bigint, out network_for_later bigint, out network_recent bigint,
    out network_oldest_recent timestamptz, out network_unanswered bigint,
    out site_open bigint, out site_for_later bigint, out site_recent bigint, out site_oldest_recent timestamptz,
    out site_unanswered bigint
) language plpgsql volatile as $$
begin
    -- Held until the transaction ends, so that each of several concurrent orders counts those before it. Statements of
    -- a volatile function see what was committed while they waited for the lock. The sequence is always: the customer's
    -- lock, the network's, that of its /48.
    perform pg_advisory_xact_lock(hashtextextended(of_customer::text, 0));
    select exists (select from memberships m where m.restaurant_id = of_restaurant and m.user_id = of_customer),
        count(*) filter (where o.closed_at is null),
        count(*) filter (where o.closed_at is null and o.scheduled_from is not null),
        count(*) filter (where o.placed_at > since),
        min(o.placed_at) filter (where o.placed_at > since),
        -- The same orders as Order::is_unanswered().
        coalesce(sum(case when o.status = 'PENDING' or o.status = 'CONFIRMED' and o.accept_by is null then
            (select sum(i.quantity) from order_items i where i.restaurant_id = of_restaurant and i.order_id = o.id)
        end), 0)
    into works_here, open_orders, for_later, recent, oldest_recent, unanswered
    from (select id, status, accept_by, closed_at, scheduled_from, placed_at from orders
          where restaurant_id = of_restaurant and customer_id = of_customer
          order by placed_at desc limit 1000) o;
    select count(*), min(o.placed_at) into recent_anywhere, oldest_anywhere
    from (select restaurant_id, placed_at from orders where customer_id = of_customer and placed_at > since
          order by placed_at desc limit 5000) o
    where not exists (select from memberships m where m.restaurant_id = o.restaurant_id and m.user_id = of_customer);
    if from_network is null or works_here then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended(of_restaurant::text || encode(from_network, 'hex'), 0));
    select count(*) filter (where n.closed_at is null),
        count(*) filter (where n.closed_at is null and n.for_later),
        count(*) filter (where n.placed_at > since),
        min(n.placed_at) filter (where n.placed_at > since),
        coalesce(sum(n.unanswered_portions) filter (where n.closed_at is null), 0)
    into network_open, network_for_later, network_recent, network_oldest_recent, network_unanswered
    from order_networks n where n.restaurant_id = of_restaurant and n.network = from_network;
    if from_site is null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended(of_restaurant::text || encode(from_site, 'hex'), 0));
    select count(*) filter (where n.closed_at is null),
        count(*) filter (where n.closed_at is null and n.for_later),
        count(*) filter (where n.placed_at > since),
        min(n.placed_at) filter (where n.placed_at > since),
        coalesce(sum(n.unanswered_portions) filter (where n.closed_at is null), 0)
    into site_open, site_for_later, site_recent, site_oldest_recent, site_unanswered
    from order_networks n where n.restaurant_id = of_restaurant and n.site = from_site;
end $$;
comment on function order_load(uuid, uuid, timestamptz, bytea, bytea) is
    'Counts of a customer''s latest 1000 orders at a restaurant: open, open and scheduled, and recent, and the portions '
    'of those that nobody at the restaurant has answered; and of the recent ones at all restaurants that the customer '
    'does not work for; under a lock that serialises the customer''s orders. Whether the customer works there; if not, '
    'the same counts of all orders from a network, and from the IPv6 /48 that contains it, each under its own lock.';

alter table order_networks enable row level security;
alter table order_networks force row level security;
create policy shop on order_networks
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());

grant select, insert, update, delete on order_networks to comanda_app;
