-- How many rows of a kind one owner may have, counted under a lock: many requests at once do not pass a limit.

create function count_owned(kind text, owner uuid, at timestamptz) returns bigint
language plpgsql volatile as $$
begin
    -- Held until the transaction ends: of many at once each counts what those before it added. The count is a statement of its
    -- own in a volatile function, and so sees what was committed while the lock was waited for.
    perform pg_advisory_xact_lock(hashtextextended('rows ' || kind || ' ' || owner::text, 0));
    -- One statement for each kind: a single CASE would prepare the queries of all of them.
    case kind
        when 'saved addresses' then return (select count(*) from user_addresses where user_id = owner);
        when 'push devices' then return (select count(*) from push_devices where user_id = owner);
        when 'sessions' then
            return (select count(*) from sessions where user_id = owner and revoked_at is null and expires_at > at);
        when 'sync devices' then
            return (select count(*) from sync_devices where user_id = owner and retired_at is null);
        when 'open quotes' then
            return (select count(*) from quotes where user_id = owner and expires_at > at and order_id is null);
        when 'open carts' then return (select count(*) from carts where user_id = owner and status = 'OPEN');
        when 'coupons' then return (select count(*) from coupons where restaurant_id = owner and deleted_at is null);
        when 'members' then return (select count(*) from memberships where restaurant_id = owner);
        when 'invitations' then return (select count(*) from invitations where restaurant_id = owner);
        when 'images' then return (select count(*) from images where restaurant_id = owner);
    end case;
end $$;
comment on function count_owned(text, uuid, timestamptz) is 'How many rows of a kind a user or a restaurant has at an instant, under a lock that serialises whoever adds one for the same owner. The kinds, their limits and their refusals: src/row_limit.rs.';
grant execute on function count_owned(text, uuid, timestamptz) to comanda_app;
