-- Orders of which more or less stock was returned than the table of steps requires. Items that are not counted any
-- more, or were counted again after the sale, need not be returned; nor those of which as many were left since as a stock
-- can have (`LARGEST_STOCK` in src/menu/stock.rs).
with largest as materialized (
    select restaurant_id, item_id, modifier_id, max(id) as last
    from (select restaurant_id, item_id, modifier_id, id,
              sum(delta) over (partition by restaurant_id, item_id, modifier_id order by id) as stock
          from stock_ledger) l
    where stock >= 1000000 group by restaurant_id, item_id, modifier_id)
select taken.id::text
from (
    select o.id, o.status, o.version, o.restaurant_id, l.returned, l.returned = 0
        and coalesce(i.stock, m.stock) is not null
        and not exists (
            select from stock_ledger s
            where s.restaurant_id = o.restaurant_id and s.item_id = l.item_id and s.id > l.sold and s.reason = 'SET')
        and not exists (
            select from stock_ledger s
            where s.restaurant_id = o.restaurant_id and s.modifier_id = l.modifier_id and s.id > l.sold
                and s.reason = 'SET')
        and not exists (
            select from largest s
            where s.restaurant_id = o.restaurant_id and s.last > l.sold
                and (s.item_id, s.modifier_id) is not distinct from (l.item_id, l.modifier_id)) as is_missing
    from (
        select restaurant_id, order_id, item_id, modifier_id, min(id) as sold,
            count(*) filter (where reason = 'RETURNED') as returned
        from stock_ledger where order_id is not null group by restaurant_id, order_id, item_id, modifier_id) l
    join orders o on o.restaurant_id = l.restaurant_id and o.id = l.order_id
        and (o.status = 'CANCELLED' or l.returned > 0)
    left join menu_items i on i.restaurant_id = l.restaurant_id and i.id = l.item_id
    left join modifiers m on m.restaurant_id = l.restaurant_id and m.id = l.modifier_id) taken
left join events e on e.aggregate = 'order' and e.aggregate_id = taken.id and e.version = taken.version - 1
group by taken.restaurant_id, taken.id, taken.status, e.payload #>> '{order,status}'
having (taken.status <> 'CANCELLED' and sum(taken.returned) > 0)
    or (taken.status = 'CANCELLED' and bool_or(taken.is_missing) and (
        sum(taken.returned) > 0 or (e.payload #>> '{order,status}') in (
            select json_array_elements_text($1::json -> 'returnsFrom'))))
