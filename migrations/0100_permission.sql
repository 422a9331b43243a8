-- Permission checks inside a transaction: the rows that grant the permission are read again in it, and locked where
-- required.
--
-- The unit of work calls these functions in the same round trip as BEGIN (`src/uow.rs`). A function that finds the
-- permission missing raises an error, which ends the transaction. `changing`: the transaction changes permissions, so
-- the row that grants its own permission is locked until it ends. SQLSTATE class QP is defined by this project: QP401,
-- QP403 and QP404 become the HTTP statuses 401, 403 and 404.

create function second_factor_suffices(restaurant uuid, person uuid) returns boolean language plpgsql stable as $$
begin
    return not (select r.require_second_factor from restaurants r where r.id = restaurant)
        or exists (select from second_factors f where f.user_id = person and f.confirmed_at is not null);
end $$;
comment on function second_factor_suffices(uuid, uuid) is
    'Whether a membership grants permissions: the restaurant requires no second factor, or the person has one.';

create function lock_grants(restaurant uuid) returns void language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('grants of ' || coalesce(restaurant::text, 'the platform'), 0));
end $$;
comment on function lock_grants(uuid) is
    'Serialises transactions that change permissions in a restaurant, or on the platform (null), so that they do not '
    'deadlock.';

create function require_member(restaurant uuid, person uuid, lowest member_role, changing boolean) returns void
language plpgsql volatile as $$
declare
    held member_role;
begin
    if changing then
        perform from users u where u.id = person and u.disabled_at is null for share;
        if not found then
            raise exception 'the account is disabled' using errcode = 'QP404';
        end if;
        select m.role into held from memberships m where m.restaurant_id = restaurant and m.user_id = person for share;
    else
        select m.role into held
        from memberships m join users u on u.id = m.user_id and u.disabled_at is null
        where m.restaurant_id = restaurant and m.user_id = person;
    end if;
    if held is null or not second_factor_suffices(restaurant, person) then
        raise exception 'the user does not work for the restaurant' using errcode = 'QP404';
    end if;
    -- Ranks are listed from the highest to the lowest.
    if held > lowest then
        raise exception 'the role does not suffice' using errcode = 'QP403';
    end if;
end $$;
comment on function require_member(uuid, uuid, member_role, boolean) is
    'Checks that the person works for the restaurant in this role or a higher one; else QP404 or QP403.';

create function require_admin(person uuid, with_factor boolean, changing boolean) returns void
language plpgsql volatile as $$
begin
    if changing then
        perform from users u where u.id = person and u.role = 'ADMIN' and u.disabled_at is null for share;
    else
        perform from users u where u.id = person and u.role = 'ADMIN' and u.disabled_at is null;
    end if;
    if not found or (with_factor and not exists (
        select from second_factors f where f.user_id = person and f.confirmed_at is not null))
    then
        raise exception 'the user does not run the platform' using errcode = 'QP403';
    end if;
end $$;
comment on function require_admin(uuid, boolean, boolean) is
    'Checks that the person is an administrator, with a second factor if one is required; else QP403.';

create function require_assigned_driver(
    restaurant uuid, carried uuid, driver uuid, person uuid, writing boolean) returns void
language plpgsql volatile as $$
begin
    if writing then
        -- The order is locked before the delivery, as by a change of status.
        perform from orders o where o.restaurant_id = restaurant and o.id = carried for no key update;
        perform from deliveries d
        where d.restaurant_id = restaurant and d.order_id = carried and d.driver_id = driver for no key update;
    else
        perform from deliveries d
        where d.restaurant_id = restaurant and d.order_id = carried and d.driver_id = driver;
    end if;
    if not found or not exists (
        select from drivers p join users u on u.id = p.user_id
        where p.id = driver and p.user_id = person and u.disabled_at is null and u.role >= 'DRIVER')
    then
        raise exception 'the driver does not carry the order' using errcode = 'QP404';
    end if;
end $$;
comment on function require_assigned_driver(uuid, uuid, uuid, uuid, boolean) is
    'Checks that the driver has the delivery of the order, and locks it in writing transactions; else QP404.';

create function require_former_driver(restaurant uuid, carried uuid, driver uuid, person uuid) returns void
language plpgsql stable as $$
begin
    if not exists (
        select from events e
        where e.restaurant_id = restaurant and e.order_id = carried and e.aggregate = 'delivery'
            and driver in (e.driver_id, e.former_driver_id))
        or not exists (
        select from drivers p join users u on u.id = p.user_id
        where p.id = driver and p.user_id = person and u.disabled_at is null and u.role >= 'DRIVER')
    then
        raise exception 'the driver never carried the order' using errcode = 'QP404';
    end if;
end $$;
comment on function require_former_driver(uuid, uuid, uuid, uuid) is
    'Checks that the driver has, or had, the delivery of the order; else QP404.';

create function require_customer(restaurant uuid, placed uuid, person uuid) returns void
language plpgsql stable as $$
begin
    if not exists (select from orders o where o.restaurant_id = restaurant and o.id = placed and o.customer_id = person)
        or not exists (select from users u where u.id = person and u.disabled_at is null)
    then
        raise exception 'the order is not the customer''s' using errcode = 'QP404';
    end if;
end $$;
comment on function require_customer(uuid, uuid, uuid) is
    'Checks that the person placed the order and is not disabled; else QP404.';

create function require_session(session uuid, person uuid) returns void language plpgsql volatile as $$
begin
    -- Serialises changes of one account's credentials.
    perform from users u where u.id = person and u.disabled_at is null for no key update;
    if not found or not exists (
        select from sessions s where s.id = session and s.user_id = person and s.revoked_at is null)
    then
        raise exception 'the session has ended' using errcode = 'QP401';
    end if;
end $$;
comment on function require_session(uuid, uuid) is
    'Checks that the session is not revoked, and locks the account''s credentials for this transaction; else QP401.';

-- An invitation is valid only while the person who created it could create it again.
create function may_still_invite(restaurant uuid, inviter uuid, wanted member_role, admin_with_factor boolean)
returns boolean language sql stable
    return exists (
        select from users u
        left join memberships m on m.restaurant_id = restaurant and m.user_id = u.id
        where u.id = inviter and u.disabled_at is null
          and (u.role = 'ADMIN' and (u.second_factor_at is not null or not admin_with_factor)
            or (m.role = 'OWNER' or (m.role = 'MANAGER' and wanted <> 'OWNER'))
               and second_factor_suffices(restaurant, inviter)));
comment on function may_still_invite(uuid, uuid, member_role, boolean) is
    'Whether somebody may invite to this role at the restaurant now: owners and administrators to any, managers to all '
    'but OWNER; nobody who lacks a required second factor.';

-- On whose behalf a statement runs that is a transaction of its own: the same that the unit of work sets after BEGIN in
-- other transactions (`src/tenancy.rs`).
create type grant_kind as enum ('MEMBER', 'ADMIN', 'CARRIER', 'FORMER_CARRIER', 'CUSTOMER', 'SESSION');
comment on type grant_kind is 'What entitles a statement; each kind is checked by a function above.';

create type acting as (
    person          uuid,
    tenant          uuid,
    shop            uuid,
    driver          uuid,
    guest           uuid,
    platform        boolean,
    -- The grant that entitles it; null: none is needed.
    grant_kind      grant_kind,
    -- The restaurant of the grant; the order or the session that it is about.
    restaurant      uuid,
    about           uuid,
    lowest          member_role,
    with_factor     boolean
);
comment on type acting is
    'The user, driver, guest or platform that a statement runs for, the restaurant, and the grant that entitles it.';

create function act_as(acting acting, writing boolean) returns boolean language plpgsql volatile as $$
declare
    -- PL/pgSQL evaluates an assignment without a query plan, which perform needs.
    ignored boolean;
begin
    ignored := (acting.person is not null and set_config('app.user', acting.person::text, true) is null)
        or (acting.tenant is not null and set_config('app.tenant', acting.tenant::text, true) is null)
        or (acting.shop is not null and set_config('app.shop', acting.shop::text, true) is null)
        or (acting.driver is not null and set_config('app.driver', acting.driver::text, true) is null)
        or (acting.guest is not null and set_config('app.guest', acting.guest::text, true) is null)
        or (acting.platform and set_config('app.platform', 'on', true) is null);
    if acting.grant_kind is null then
        return true;
    end if;
    case acting.grant_kind
        when 'MEMBER' then
            ignored := require_member(acting.restaurant, acting.person, acting.lowest, false) is null;
        when 'ADMIN' then
            ignored := require_admin(acting.person, acting.with_factor, false) is null;
        when 'CARRIER' then
            ignored := require_assigned_driver(
                acting.restaurant, acting.about, acting.driver, acting.person, writing) is null;
        when 'FORMER_CARRIER' then
            ignored := require_former_driver(acting.restaurant, acting.about, acting.driver, acting.person) is null;
        when 'CUSTOMER' then
            ignored := require_customer(acting.restaurant, acting.about, acting.person) is null;
        when 'SESSION' then
            ignored := require_session(acting.about, acting.person) is null;
    end case;
    return true;
end $$;
comment on function act_as(acting, boolean) is
    'Sets the context for row level security until the transaction ends, and checks the grant; true, or QP401, QP403 '
    'or QP404. A statement that reads rows of a tenant without a transaction around it reads them in a lateral '
    'subquery that depends on the result, so that they are read after the context was set.';
grant execute on function act_as(acting, boolean) to comanda_app;
