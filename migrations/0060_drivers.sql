-- Drivers: profile, presence and last known location.

create table drivers (
    id              uuid        primary key,
    user_id         uuid        not null references users on delete cascade,
    vehicle         text        not null,
    -- On duty. Whether the driver is busy is derived from the deliveries.
    online          boolean     not null default false,
    seen_at         timestamptz,
    latitude        double precision,
    longitude       double precision,
    located_at      timestamptz,
    reported_at     timestamptz,
    late_since      timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    -- One profile for each user.
    constraint drivers_user_key unique (user_id),
    constraint drivers_vehicle check (vehicle in ('BICYCLE', 'SCOOTER', 'CAR', 'FOOT')),
    constraint drivers_place check (latitude between -90 and 90 and longitude between -180 and 180),
    constraint drivers_place_whole check ((latitude is null) = (longitude is null)
        and (latitude is null) = (located_at is null)),
    constraint drivers_reported_place check ((reported_at is null and late_since is null) or latitude is not null),
    -- Deliveries are assigned by location.
    constraint drivers_online_has_place check (not online or latitude is not null),
    constraint drivers_online_was_seen check (not online or seen_at is not null)
) with (fillfactor = 70);
comment on table drivers is
    'Users who deliver. The location is kept only while it is needed: on duty, or with an open delivery.';
comment on column drivers.seen_at is
    'When the driver was last active: reported a location, changed the availability or a delivery. Null: never.';
comment on column drivers.located_at is
    'When the location was measured, converted to the server''s clock from the times in the phone''s reports.';
comment on column drivers.reported_at is
    'When the location was measured, by the phone''s clock; reports are ordered by it alone. Null: the phone did not '
    'say when it went on duty.';
comment on column drivers.late_since is
    'Since when each report was older than the location by the phone''s clock, which may have been set back; null: the '
    'last report was newer.';
comment on constraint drivers_reported_place on drivers is 'reported_at and late_since are null without a location.';
comment on constraint drivers_online_was_seen on drivers is
    'A driver who is on duty has been seen: going on duty sets seen_at.';
create index drivers_online_idx on drivers (id) where online;
create index drivers_online_seen_idx on drivers (seen_at) where online;

create function driver_can_work(driver drivers, seen_since timestamptz, at timestamptz) returns boolean
    language sql stable
    return (driver).online and (driver).seen_at >= seen_since
        and exists (select from users u where u.id = (driver).user_id and u.disabled_at is null and u.role >= 'DRIVER')
        and exists (select from sessions s where s.user_id = (driver).user_id
                    and s.revoked_at is null and s.expires_at > at);
comment on function driver_can_work(drivers, timestamptz, timestamptz) is
    'Whether a driver may be given a delivery: on duty, seen since the given time, and signed in with an account that '
    'is enabled and still a driver''s.';

create trigger log_added_or_removed after insert or delete on drivers
    for each row execute function log_changed_membership();

create function clear_location_off_duty() returns trigger language plpgsql as $$
begin
    if exists (select from deliveries d where d.driver_id = new.id and d.closed_at is null) then
        return new;
    end if;
    new.latitude := null;
    new.longitude := null;
    new.located_at := null;
    new.reported_at := null;
    new.late_since := null;
    return new;
end $$;
comment on function clear_location_off_duty() is
    'Deletes the location of a driver who is off duty and has no open delivery, also one that is reported afterwards.';
create trigger clear_location before insert or update on drivers
    for each row when (not new.online and new.latitude is not null) execute function clear_location_off_duty();
comment on trigger clear_location on drivers is 'A driver who is off duty and has no open delivery has no location.';

grant select, insert, update, delete on drivers to comanda_app;
