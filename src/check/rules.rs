//! The rules of `comanda check`, each with the query that finds violations. They are run in `check.rs`.

/// A rule, and the query that returns its violations.
pub(super) struct Rule {
    /// `money`, `orders`, `stock`, `state` or `isolation`.
    pub(super) area: &'static str,
    /// The rule as a sentence.
    pub(super) text: &'static str,
    /// Returns the ids or names of the violations.
    pub(super) query: &'static str,
}

/// `$1` of each query is JSON with the tables of the code: the `steps` of an order, the delivery's status `withOrder`,
/// and the statuses from which a cancellation always returns stock (`returnsFrom`).
pub(super) const RULES: &[Rule] = &[
    Rule {
        area: "money",
        text: "an order's total is the sum of its parts",
        query: "select id::text from orders
         where total <> items_total + tax_total + delivery_fee + service_fee + tip - discount or $1::json is null",
    },
    Rule {
        area: "money",
        text: "an order's lines add up to its items",
        query: "select o.id::text from orders o
         left join order_items i on i.restaurant_id = o.restaurant_id and i.order_id = o.id
         where $1::json is not null group by o.restaurant_id, o.id, o.items_total
         having coalesce(sum(i.line_total), 0) <> o.items_total or count(i.line) = 0
             or array_agg(i.line order by i.line) <> array(select generate_series(1, count(i.line))::smallint)",
    },
    Rule {
        area: "orders",
        text: "an order's lines name the order's customer",
        query: "select distinct o.id::text from orders o
         join order_items i on i.restaurant_id = o.restaurant_id and i.order_id = o.id
         where i.customer_id <> o.customer_id or $1::json is null",
    },
    Rule {
        area: "money",
        text: "an order is taxed on its lines after the discount, and on its fees if at all",
        query: "select o.id::text from orders o
         cross join lateral (
             select coalesce(sum((t -> 'net' ->> 'amount')::bigint), 0) as net,
                 coalesce(sum((t -> 'tax' ->> 'amount')::bigint), 0) as tax
             from order_items i, json_array_elements(i.taxes) t
             where i.restaurant_id = o.restaurant_id and i.order_id = o.id) of_lines
         cross join lateral (
             select coalesce(sum(net), 0) as net, coalesce(sum(tax), 0) as tax
             from unnest(o.tax_nets, o.tax_amounts) as by_rate(net, tax)) whole
         cross join lateral (
             select of_lines.net + case when o.tax_total = 0 then of_lines.tax else 0 end as lines,
                 whole.net + case when o.tax_total = 0 then whole.tax else 0 end as everything) price
         where $1::json is not null and (whole.tax <> o.tax_total + o.tax_included or price.lines <> o.items_total -
         o.discount
             or price.everything - price.lines not in (0, o.delivery_fee + o.service_fee)
             or o.tax_rates <> array(select distinct rate from unnest(o.tax_rates) rate order by rate))",
    },
    Rule {
        area: "money",
        text: "tax is rounded as the order says: half up or half even, on each line and fee or on all of a rate",
        query: include_str!("tax_rounding.sql"),
    },
    Rule {
        area: "money",
        text: "a coupon that was redeemed saved something",
        query: "select order_id::text from coupon_redemptions where saved <= 0 or $1::json is null",
    },
    Rule {
        area: "money",
        text: "a coupon counts the orders that use it",
        query: "select c.id::text from coupons c
         left join coupon_redemptions r
             on r.restaurant_id = c.restaurant_id and r.coupon_id = c.id and r.returned_at is null
         where $1::json is not null group by c.restaurant_id, c.id, c.redeemed having count(r.order_id) <> c.redeemed",
    },
    Rule {
        area: "money",
        text: "an order redeems the coupon it names once, for what it took off, and gives it back when it is cancelled",
        query: "select coalesce(o.id, r.order_id)::text from orders o
         full join coupon_redemptions r on r.restaurant_id = o.restaurant_id and r.order_id = o.id
         left join coupons c on c.restaurant_id = r.restaurant_id and c.id = r.coupon_id
         where $1::json is not null and (o.coupon_code is not null or r.order_id is not null or o.discount > 0) and (
             o.coupon_code is null or c.code is distinct from o.coupon_code or r.user_id is distinct from o.customer_id
             or (r.returned_at is not null) <> (o.status = 'CANCELLED')
             or case when c.kind = 'FREE_DELIVERY' then o.discount > 0 else r.saved <> o.discount end)",
    },
    Rule {
        area: "money",
        text: "a quote became the order that names it, at the price it was quoted at",
        query: "select q.id::text from quotes q
         left join orders o on o.restaurant_id = q.restaurant_id and o.quote_id = q.id
         where $1::json is not null and (q.order_id is not null or o.id is not null) and (
             q.order_id is distinct from o.id or q.user_id is distinct from o.customer_id or q.total <> o.total)",
    },
    Rule {
        area: "state",
        text: "a slot counts the orders that are due in it",
        query: "select coalesce(s.restaurant_id, o.restaurant_id)::text from (
             select restaurant_id, slot, count(*) as due from orders
             where slot is not null and status <> 'CANCELLED' group by restaurant_id, slot) o
         full join slots s on s.restaurant_id = o.restaurant_id and s.starts_at = o.slot
         where $1::json is not null and coalesce(s.taken, 0) <> coalesce(o.due, 0)",
    },
    Rule {
        area: "stock",
        text: "the ledger adds up to every stock",
        query: "select t.id::text from (
             select i.id, i.stock, l.written from menu_items i left join (
                 select restaurant_id, item_id as id, sum(delta) as written from stock_ledger
                 where item_id is not null group by restaurant_id, item_id) l
                 on l.restaurant_id = i.restaurant_id and l.id = i.id
             union all
             select m.id, m.stock, l.written from modifiers m left join (
                 select restaurant_id, modifier_id as id, sum(delta) as written from stock_ledger
                 where modifier_id is not null group by restaurant_id, modifier_id) l
                 on l.restaurant_id = m.restaurant_id and l.id = m.id) t
         where $1::json is not null and coalesce(t.stock, 0) <> coalesce(t.written, 0)",
    },
    Rule {
        area: "stock",
        text: "an order took what its lines say and returned it once at most",
        query: "select l.order_id::text from stock_ledger l
         where $1::json is not null and l.order_id is not null
         group by l.order_id, l.item_id, l.modifier_id
         having sum(l.delta) > 0 or count(*) filter (where l.reason = 'SOLD') <> 1
             or count(*) filter (where l.reason = 'RETURNED') > 1",
    },
    Rule {
        area: "stock",
        text: "a cancellation returns what is still counted: all of it before cooking, all or nothing afterwards",
        query: include_str!("stock_returned.sql"),
    },
    Rule {
        area: "stock",
        text: "stock is never negative",
        query: "select id::text from menu_items where stock < 0 or $1::json is null",
    },
    Rule {
        area: "state",
        text: "an order's events are versions 1 to its own",
        query: "select o.id::text from orders o
         left join events e on e.aggregate = 'order' and e.aggregate_id = o.id
         where $1::json is not null group by o.id, o.version
         having array_agg(e.version order by e.seq) <> array(select generate_series(1, o.version))",
    },
    Rule {
        area: "state",
        text: "every status of an order follows from the one before by the table of transitions",
        // The status is read from each event once, before sorting: parsing payloads takes most of the time of this
        // rule.
        query: "with statuses as materialized (
             select aggregate_id, version, name, payload #>> '{order,status}' as status
             from events where aggregate = 'order'),
         walk as (
             select o.id, t.version, t.status, t.name, o.status as now,
                 lag(t.status) over (partition by t.aggregate_id order by t.version) as before,
                 lead(t.version) over (partition by t.aggregate_id order by t.version) is null as last
             from statuses t join orders o on o.id = t.aggregate_id)
         select id::text from walk
         where (version = 1 and status <> 'PENDING') or (last and status <> now::text)
             or (name = 'order:promise-changed' and (status <> before or status not in ('CONFIRMED', 'PREPARING')))
             or (version > 1 and name <> 'order:promise-changed' and (before, status) not in (
                 select start, finish from json_to_recordset($1::json -> 'steps') as step(start text, finish text)))",
    },
    Rule {
        area: "state",
        text: "a delivery's events are versions 1 to its own",
        query: "select d.id::text from deliveries d
         left join events e on e.aggregate = 'delivery' and e.aggregate_id = d.id
         where $1::json is not null group by d.id, d.version
         having array_agg(e.version order by e.seq) <> array(select generate_series(1, d.version))",
    },
    Rule {
        area: "state",
        text: "a driver carries one delivery at a time",
        query: "select driver_id::text from deliveries
         where closed_at is null and driver_id is not null and $1::json is not null
         group by driver_id having count(*) > 1",
    },
    Rule {
        area: "state",
        text: "the status of a delivery fits the status of its order",
        query: "select o.id::text from orders o
         left join deliveries d on d.restaurant_id = o.restaurant_id and d.order_id = o.id
         where (o.fulfilment <> 'DELIVERY' and d.id is not null)
             or (o.fulfilment = 'DELIVERY' and o.status not in ('PENDING', 'CANCELLED') and d.id is null)
             or (d.id is not null and (o.status::text, d.status::text) not in (
                 select order_status, delivery_status
                 from json_to_recordset($1::json -> 'withOrder') as pair(order_status text, delivery_status text)))",
    },
    Rule {
        area: "state",
        text: "a delivery on its way has a time of pickup, and a closed delivery a time of closing",
        query: "select id::text from deliveries where $1::json is not null and (
             (status in ('WAITING', 'OFFERED', 'ASSIGNED', 'ARRIVED') and picked_up_at is not null)
             or (status in ('PICKED_UP', 'DELIVERED', 'FAILED') and picked_up_at is null)
             or (status = 'CANCELLED' and picked_up_at is not null)
             or (status = 'WAITING' and (driver_id is not null or assigned_at is not null)))",
    },
    Rule {
        area: "state",
        text: "a cart became the order that names it",
        query: "select c.id::text from carts c
         full join orders o on o.restaurant_id = c.restaurant_id and o.cart_id = c.id
         where $1::json is not null and (c.status = 'ORDERED' or o.cart_id is not null)
             and (c.order_id is distinct from o.id or c.user_id is distinct from o.customer_id)",
    },
    Rule {
        area: "state",
        text: "a guest who was taken over has no cart any more",
        query: "select c.id::text from carts c join guests g on g.id = c.guest_id
         where $1::json is not null and g.taken_over_at is not null",
    },
    Rule {
        area: "state",
        text: "the order numbers of a day begin with 1 and have no gaps",
        query: "select restaurant_id::text from orders where $1::json is not null
         group by restaurant_id, day having max(number) <> count(*) or min(number) <> 1",
    },
    Rule {
        area: "state",
        text: "a key that was kept names an order that exists",
        query: "select k.key from (
             select key, user_id, status, convert_from(body, 'UTF8')::json ->> 'id' as id
             from idempotency_keys where operation = 'place_order') k
         left join (
             select o.customer_id, e.payload #>> '{order,id}' as id
             from orders o join events e on e.aggregate = 'order' and e.aggregate_id = o.id and e.version = 1) placed
             on placed.customer_id = k.user_id and placed.id = k.id
         where $1::json is not null and (k.status is distinct from 201 or placed.id is null)",
    },
    Rule {
        area: "isolation",
        text: "row level security is forced on every table of a restaurant",
        query: "select c.relname::text from pg_class c
         join pg_attribute a on a.attrelid = c.oid and a.attname = 'restaurant_id'
         where $1::json is not null and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
             and not (c.relrowsecurity and c.relforcerowsecurity
                 and exists (select from pg_policy p where p.polrelid = c.oid))",
    },
    Rule {
        area: "isolation",
        text: "no policy lets everybody write",
        query: "select polrelid::regclass::text from pg_policy
         where $1::json is not null and polcmd <> 'r'
             and 'true' in (pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))",
    },
    Rule {
        area: "isolation",
        text: "foreign keys between tables of a restaurant include the restaurant",
        query: "select conname::text from pg_constraint f
         where $1::json is not null and contype = 'f' and connamespace = 'public'::regnamespace
             and (select count(*) from pg_attribute a where a.attname = 'restaurant_id' and a.attnotnull
                  and (a.attrelid = f.conrelid or a.attrelid = f.confrelid)) = 2
             and f.conrelid <> f.confrelid
             and not exists (
                 select from unnest(f.conkey, f.confkey) as pair(here, there)
                 join pg_attribute h on h.attrelid = f.conrelid and h.attnum = here
                 join pg_attribute t on t.attrelid = f.confrelid and t.attnum = there
                 where h.attname = 'restaurant_id' and t.attname = 'restaurant_id')",
    },
    Rule {
        area: "isolation",
        text: "the application's role owns nothing and bypasses nothing",
        query: "select rolname::text from pg_roles r
         where $1::json is not null and rolname = 'comanda_app' and (rolsuper or rolbypassrls or rolcanlogin
             or exists (select from pg_class c where c.relowner = r.oid))",
    },
];
