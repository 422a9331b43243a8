-- Limits on the number of rows of an owner, counted under a lock, so that concurrent requests do not exceed them.

create function count_owned(kind text, owner uuid, at timestamptz) returns bigint
language plpgsql volatile as $$
begin
    -- Held until the transaction ends, so that each of several concurrent transactions counts the rows of those before
    -- it. The count is a separate statement of a volatile function, so it sees what was committed while it waited for
    -- the lock.
    perform pg_advisory_xact_lock(hashtextextended('rows ' || kind || ' ' || owner::text, 0));
    -- A statement for each kind, because a single CASE would prepare the queries of all kinds.
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
comment on function count_owned(text, uuid, timestamptz) is
    'The number of rows of a kind that a user or a restaurant has at an instant, under a lock that serialises '
    'transactions which add one for the same owner. The kinds, limits and errors are in src/row_limit.rs.';
grant execute on function count_owned(text, uuid, timestamptz) to comanda_app;
