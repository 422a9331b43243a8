-- Orders whose tax differs from the result of their rounding rule, computed with exact numbers of PostgreSQL: an amount
-- as it is priced (including tax if prices include it) times the rate, divided by the whole; the remainder decides on
-- the rounding.
select o.id::text
from orders o
cross join lateral unnest(o.tax_rates, o.tax_nets, o.tax_amounts) as r(rate, net, tax)
cross join lateral (
    select (r.net + case when o.tax_total = 0 then r.tax else 0 end)::numeric as price,
        (case when o.tax_total = 0 then 1000000 + r.rate else 1000000 end)::numeric as whole) at_rate
cross join lateral (
    select coalesce(sum(one.price), 0) as price,
        coalesce(array_agg(one.price), '{}') as prices, coalesce(array_agg(one.tax), '{}') as taxes
    from order_items i
    cross join lateral json_array_elements(i.taxes) t
    cross join lateral (
        select (t -> 'tax' ->> 'amount')::numeric as tax,
            (t -> 'net' ->> 'amount')::numeric
                + case when o.tax_total = 0 then (t -> 'tax' ->> 'amount')::numeric else 0 end as price) one
    where i.restaurant_id = o.restaurant_id and i.order_id = o.id
        and round((t ->> 'basisPoints')::numeric * 100) = r.rate) lines
cross join lateral (
    -- Each amount that is rounded separately, and the tax stored on the lines: null for fees and for the sum of a rate.
    select sum(rounded.tax) as tax, coalesce(bool_or(rounded.tax <> part.tax), false) as is_line_wrong
    from (
        select price, tax from unnest(lines.prices, lines.taxes) as line(price, tax) where o.tax_rounding_level = 'LINE'
        union all
        select fee::numeric, null from unnest(array[o.delivery_fee, o.service_fee]) as fee
        where o.tax_rounding_level = 'LINE' and at_rate.price > lines.price
        union all
        select at_rate.price, null where o.tax_rounding_level = 'ORDER') part
    cross join lateral (
        select div(part.price * r.rate, at_rate.whole) as floor, mod(part.price * r.rate, at_rate.whole) * 2 as twice) cut
    cross join lateral (
        select cut.floor + case
            when cut.twice > at_rate.whole then 1
            when cut.twice < at_rate.whole then 0
            when o.tax_rounding = 'HALF_UP' then 1
            else mod(cut.floor, 2) end as tax) rounded) expected
where $1::json is not null and (
    expected.tax is distinct from r.tax or expected.is_line_wrong
    -- The tax of the sum is split over the lines: each line differs from its exact share by less than a unit.
    or (o.tax_rounding_level = 'ORDER' and exists (
        select from unnest(lines.prices, lines.taxes) as line(price, tax)
        where abs(line.tax * at_rate.price - r.tax * line.price) >= greatest(at_rate.price, 1))))
