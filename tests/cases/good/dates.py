# Uses calendars, dates and clocks.
import calendar, datetime, time
from datetime import date, timedelta, timezone

day = datetime.datetime(2024, 2, 29, 13, 5, tzinfo=timezone(timedelta(hours=2)))
print(day.isoformat(), day.astimezone(timezone.utc), (date(2024, 3, 1) - date(2023, 3, 1)).days, date.fromisocalendar(2024, 9, 4), day.strftime("%a %d %b %y %I:%M %p %j %U"))
print(calendar.month(2024, 2).splitlines()[2], calendar.isleap(2100), calendar.monthrange(2023, 2)[1], datetime.datetime.fromisoformat("2024-01-01T00:00:00+01:00").timestamp())
print(time.strftime("%Y", time.gmtime(0)), time.strptime("3 Mar 01", "%d %b %y").tm_yday, time.perf_counter() <= time.perf_counter(), 0 <= time.monotonic_ns())
start = time.time()
time.sleep(0.02)
print(time.time() - start >= 0.02, date.today().year > 2000)
# role: public
# expect: ending=exited:0  stdout="2024-02-29T13:05:00+02:00 2024-02-29 11:05:00+00:00 366 2024-02-29 Thu 29 Feb 24 01:05 PM 060 08\n          1  2  3  4 False 28 1704063600.0\n1970 62 True True\nTrue True\n"  stderr=""
