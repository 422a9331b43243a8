-- What guests see of a counted modifier is not only whether it is sold out: with two required groups that draw on it, two
-- portions are enough and one is not.

create function menu_shows_stock(restaurant uuid, asked_in uuid, before integer, after integer) returns boolean
language sql stable parallel safe
begin atomic
    select before is distinct from after
        and least(coalesce(before, 2147483647), coalesce(after, 2147483647)) < (
            -- The most that one item can ask for at least: the group's minimum, for the item and for each modifier that has
            -- to be chosen and asks it again. Scalar subqueries, because it is called once for each modifier that is sold:
            -- a join over the restaurant's whole menu made an order of a thousand modifiers take seconds.
            select greatest(1, g.min_choices * (1 + coalesce((
                select sum((
                    select above.min_choices from modifier_groups above
                    where above.restaurant_id = restaurant and above.id = asking.group_id and above.deleted_at is null))
                from (
                    select distinct (
                        select m.group_id from modifiers m
                        where m.restaurant_id = restaurant and m.id = n.modifier_id and m.deleted_at is null) as group_id
                    from nested_modifier_groups n where n.restaurant_id = restaurant and n.group_id = asked_in) asking), 0)))
            from modifier_groups g where g.restaurant_id = restaurant and g.id = asked_in);
end;
comment on function menu_shows_stock(uuid, uuid, integer, integer) is 'Whether a modifier of this group whose count changes so may change what a menu calls orderable (src/menu/satisfiable.rs); null is not counted.';
