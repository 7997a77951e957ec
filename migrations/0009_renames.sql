-- What was observed of something stays with it when it is renamed: open alerts, how things stand, what was told, and what waits
-- to be delivered.

create function synthex.follow_rename() returns trigger
    language plpgsql security definer
    set search_path = pg_catalog
as $$
begin
    -- Whoever changes alerts of a workspace holds this row, so that an evaluation that is under way is over first.
    insert into synthex.alert_evaluations as e (workspace, rule, evaluated_at) values (new.workspace, '', now())
    on conflict (workspace, rule) do update set evaluated_at = excluded.evaluated_at;
    if tg_table_name = 'tenants' then
        update synthex.alerts
        set tenant = new.name, revision = revision + 1,
            subject = case when kind <> 'health_status' then subject
                           when subject = old.name and service in ('shopify', 'google-merchant') then new.name
                           when subject = service || '/' || old.name then service || '/' || new.name
                           when subject in ('shopify/' || old.name, 'google-merchant/' || old.name)
                               then split_part(subject, '/', 1) || '/' || new.name
                           else subject end
        where workspace = new.workspace and tenant = old.name and status <> 'resolved';
        update synthex.health_checks
        set subject = case when service = 'quotas' then split_part(subject, '/', 1) || '/' || new.name else new.name end
        where workspace = new.workspace
          and (service in ('shopify', 'google-merchant') and subject = old.name
               or service = 'quotas' and subject in ('shopify/' || old.name, 'google-merchant/' || old.name));
        update synthex.health_status as h
        set tenant = new.name, subject = m.subject
        from (
            select s.service, s.subject as former,
                   case when s.subject = old.name and s.service in ('shopify', 'google-merchant') then new.name
                        when s.subject in ('shopify/' || old.name, 'google-merchant/' || old.name)
                            then split_part(s.subject, '/', 1) || '/' || new.name
                        else s.subject end as subject
            from synthex.health_status as s where s.workspace = new.workspace and s.tenant = old.name
        ) as m
        where h.workspace = new.workspace and (h.service, h.subject) = (m.service, m.former)
          and not exists (
              select from synthex.health_status as x
              where x.workspace = new.workspace and (x.service, x.subject) = (m.service, m.subject) and m.subject <> m.former
          );
    elsif tg_table_name = 'credentials' then
        update synthex.health_status as h
        set subject = new.name
        where h.workspace = new.workspace and h.service = 'credentials' and h.subject = old.name
          and not exists (
              select from synthex.health_status as x
              where x.workspace = new.workspace and x.service = 'credentials' and x.subject = new.name
          );
        update synthex.health_checks set subject = new.name
        where workspace = new.workspace and service = 'credentials' and subject = old.name;
        update synthex.alerts
        set subject = new.name, revision = revision + 1
        where workspace = new.workspace and kind = 'health_status' and service = 'credentials' and subject = old.name
          and status <> 'resolved';
    elsif tg_table_name = 'alert_rules' then
        update synthex.alerts set rule = new.name, revision = revision + 1
        where workspace = new.workspace and rule = old.name and status <> 'resolved';
        delete from synthex.alert_thresholds where workspace = new.workspace and rule = new.name;
        update synthex.alert_thresholds set rule = new.name where workspace = new.workspace and rule = old.name;
        delete from synthex.alert_groups where workspace = new.workspace and rule = new.name;
        update synthex.alert_groups set rule = new.name where workspace = new.workspace and rule = old.name;
        delete from synthex.alert_evaluations where workspace = new.workspace and rule = new.name;
        update synthex.alert_evaluations set rule = new.name where workspace = new.workspace and rule = old.name;
    elsif tg_table_name = 'notification_channels' then
        -- What waits goes out through it, what failed is tried again through it, and the end of an alert is told where its
        -- beginning was. Where a message has something under both names, what was never sent gives way.
        delete from synthex.notification_deliveries as x
        using synthex.notification_deliveries as d
        where d.workspace = new.workspace and d.channel = old.name
          and (x.notification, x.channel, x.target) = (d.notification, new.name, d.target)
          and x.state in ('suppressed', 'cancelled');
        update synthex.notification_deliveries as d set channel = new.name
        where d.workspace = new.workspace and d.channel = old.name
          and not exists (
              select from synthex.notification_deliveries as x
              where (x.notification, x.channel, x.target) = (d.notification, new.name, d.target)
          );
        update synthex.inbox_items set channel = new.name where workspace = new.workspace and channel = old.name;
        delete from synthex.channel_status where workspace = new.workspace and channel = new.name;
        update synthex.channel_status set channel = new.name where workspace = new.workspace and channel = old.name;
    end if;
    return null;
end
$$;
comment on function synthex.follow_rename() is 'Takes along what was observed of something that has another name now: its alerts, its results, and the messages that wait for it.';

do $$
declare
    renamed text;
begin
    foreach renamed in array array['tenants', 'credentials', 'alert_rules', 'notification_channels'] loop
        execute format('create trigger d_follow_rename after update of name on synthex.%I for each row when (old.name is distinct from new.name) execute function synthex.follow_rename()', renamed);
    end loop;
end
$$;
