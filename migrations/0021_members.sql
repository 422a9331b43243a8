-- Members of restaurants: who works where, in which role, and who is invited.

create type member_role as enum ('OWNER', 'MANAGER', 'STAFF');
comment on type member_role is 'Rank within one restaurant, from the highest to the lowest.';

create table memberships (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    user_id         uuid        not null references users on delete cascade,
    role            member_role not null,
    created_at      timestamptz not null,

    -- One role for each user and restaurant.
    constraint memberships_pkey primary key (restaurant_id, user_id)
);
comment on table memberships is
    'Who works for which restaurant, and in which role. Permissions of staff come from this row only.';
create index memberships_user_id_idx on memberships (user_id);

create function count_memberships() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        update users set membership_count = membership_count + 1 where id = new.user_id;
    else
        update users set membership_count = greatest(membership_count - 1, 0) where id = old.user_id;
    end if;
    return null;
end $$;
comment on function count_memberships() is 'Maintains users.membership_count.';
create trigger count_memberships after insert or delete on memberships
    for each row execute function count_memberships();

create trigger log_changed after update of role on memberships for each row
    when (old.role <> new.role) execute function log_changed_membership();
create trigger log_added_or_removed after insert or delete on memberships for each row
    execute function log_changed_membership();

create function log_changed_policy() returns trigger language plpgsql as $$
begin
    insert into revocations (user_id) select user_id from memberships where restaurant_id = new.id;
    perform pg_notify('comanda_revocations', '');
    return null;
end $$;
comment on function log_changed_policy() is
    'Records that a restaurant began or stopped to require a second factor of its staff.';
create trigger log_policy after update of require_second_factor on restaurants for each row
    when (old.require_second_factor <> new.require_second_factor) execute function log_changed_policy();

create table invitations (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    -- The invited address in lower case; there may be no account with it yet.
    email           text        not null,
    role            member_role not null,
    -- SHA-256 of a random code of 128 bits. The address alone is not sufficient, because somebody else may have signed
    -- up with it first.
    code_hash       bytea       not null,
    invited_by      uuid        references users on delete set null,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,

    constraint invitations_pkey primary key (restaurant_id, id),
    -- A second invitation to an address replaces the first.
    constraint invitations_email_key unique (restaurant_id, email),
    constraint invitations_code_sha256 check (octet_length(code_hash) = 32)
);
comment on table invitations is
    'People who were invited to work for a restaurant and have not accepted yet. Deleted when accepted.';
create index invitations_email_idx on invitations (email);

alter table memberships enable row level security;
alter table memberships force row level security;
create policy read on memberships for select
    using (restaurant_id = app_tenant() or user_id = app_user() or app_platform());
create policy add on memberships for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on memberships for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on memberships for delete using (restaurant_id = app_tenant() or app_platform());

alter table invitations enable row level security;
alter table invitations force row level security;
create policy read on invitations for select using (
    restaurant_id = app_tenant() or app_platform() or email = (select u.email from users u where u.id = app_user()));
create policy add on invitations for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on invitations for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on invitations for delete using (restaurant_id = app_tenant() or app_platform());

grant select, insert, update, delete on memberships, invitations to comanda_app;
