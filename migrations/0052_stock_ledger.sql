-- The stock ledger: the changes of counted stock.

create table stock_ledger (
    id              bigint      generated always as identity,
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- The item or the modifier; the other one is null.
    item_id         uuid,
    modifier_id     uuid,
    -- The order that took it or returned it.
    order_id        uuid,
    delta           integer     not null,
    -- SET by staff, SOLD by an order, RETURNED by its cancellation.
    reason          text        not null,
    at              timestamptz not null,

    constraint stock_ledger_pkey primary key (restaurant_id, id),
    constraint stock_ledger_of_one_thing check ((item_id is null) <> (modifier_id is null)),
    constraint stock_ledger_reason check (reason in ('SET', 'SOLD', 'RETURNED')),
    constraint stock_ledger_order check ((reason = 'SET') = (order_id is null)),
    constraint stock_ledger_something check (delta <> 0)
);
comment on table stock_ledger is
    'Every change of a counted stock. The rows of an item or a modifier add up to its stock, or to zero if it is not '
    'counted.';
create index stock_ledger_item_idx on stock_ledger (restaurant_id, item_id, id) where item_id is not null;
create index stock_ledger_modifier_idx on stock_ledger (restaurant_id, modifier_id, id) where modifier_id is not null;
create index stock_ledger_order_idx on stock_ledger (restaurant_id, order_id) where order_id is not null;

create function customer_placed(restaurant uuid, ordered uuid) returns boolean language plpgsql stable as $$
begin
    return exists (select from orders o
                   where o.restaurant_id = restaurant and o.id = ordered and o.customer_id = app_user());
end $$;
comment on function customer_placed(uuid, uuid) is 'Whether the user of the transaction placed the order.';

alter table stock_ledger enable row level security;
alter table stock_ledger force row level security;
create policy read on stock_ledger for select using (
    restaurant_id = app_tenant() or app_platform()
    or order_id is not null and customer_placed(restaurant_id, order_id));
create policy append on stock_ledger for insert
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());

grant select, insert on stock_ledger to comanda_app;

create function lock_stock(restaurant uuid) returns void language plpgsql volatile as $$
declare
    -- PL/pgSQL evaluates an assignment without a query plan, which perform needs.
    ignored boolean;
begin
    ignored := pg_advisory_xact_lock(hashtextextended('stock ' || restaurant::text, 0)) is null;
end $$;
comment on function lock_stock(uuid) is
    'Serialises transactions that change the stock of a restaurant''s items and modifiers, or its menu. Locking rows in '
    'the order of their ids is not enough: a row with several versions and key-share locks of foreign keys is locked in '
    'several steps, between which two orders can deadlock.';
grant execute on function lock_stock(uuid) to comanda_app;
