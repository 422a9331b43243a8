-- Drivers who are not there: presence expires, and whoever may not sign in is given no work.

alter table drivers add column seen_at timestamptz;
comment on column drivers.seen_at is 'The last sign of life: a report of their place, coming on or going off duty, a step of a delivery. Null: none yet.';
update drivers set seen_at = coalesce(located_at, updated_at) where online;
alter table drivers
    add constraint drivers_online_was_seen check (not online or seen_at is not null);
comment on constraint drivers_online_was_seen on drivers is 'Nobody is on duty who never showed.';
create index drivers_online_seen_idx on drivers (seen_at) where online;

create function driver_can_work(driver drivers, seen_since timestamptz, at timestamptz) returns boolean
    language sql stable
    return (driver).online and (driver).seen_at >= seen_since
        and exists (select from users u where u.id = (driver).user_id and u.disabled_at is null)
        and exists (select from sessions s where s.user_id = (driver).user_id
                    and s.revoked_at is null and s.expires_at > at);
comment on function driver_can_work(drivers, timestamptz, timestamptz) is 'Whether a driver may be given work: on duty, heard of lately, and signed in somewhere with an account that is not disabled.';
