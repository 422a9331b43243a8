-- Where a driver is, is kept only while it is needed: on duty, or while a delivery is open.

create function forget_place_off_duty() returns trigger language plpgsql as $$
begin
    if exists (select from deliveries d where d.driver_id = new.id and d.closed_at is null) then
        return new;
    end if;
    new.latitude := null;
    new.longitude := null;
    new.located_at := null;
    return new;
end $$;
comment on function forget_place_off_duty() is 'Drops the place of a driver who is off duty and has no open delivery; also one that is reported afterwards.';
create trigger forget_place before insert or update on drivers
    for each row when (not new.online and new.latitude is not null) execute function forget_place_off_duty();
comment on trigger forget_place on drivers is 'Nobody is followed after work.';

create function forget_place_after_delivery() returns trigger language plpgsql as $$
begin
    -- Waits for a driver who is going off duty at this moment; locked after the order and its delivery.
    perform from drivers where id = old.driver_id for no key update;
    update drivers set updated_at = new.updated_at where id = old.driver_id and not online and latitude is not null;
    return null;
end $$;
comment on function forget_place_after_delivery() is 'Has forget_place look again when a driver who went off duty meanwhile has delivered.';
create trigger forget_place after update on deliveries
    for each row when (old.driver_id is not null and old.closed_at is null
        and (new.closed_at is not null or new.driver_id is distinct from old.driver_id))
    execute function forget_place_after_delivery();
comment on trigger forget_place on deliveries is 'A driver who went off duty during a delivery is followed until it is over.';

update drivers set updated_at = updated_at where not online and latitude is not null;
