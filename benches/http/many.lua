-- 500 records a request, for wrk: wrk -t1 -c16 -d5s --latency -s many.lua http://127.0.0.1:18080/orders
local lines = {}
for n = 1, 500 do
  lines[n] = '{"InvoiceNo":"' .. (536365 + n) .. '","StockCode":"85123A",'
    .. '"Description":"WHITE HANGING HEART T-LIGHT HOLDER","Quantity":6,'
    .. '"InvoiceDate":"2010-12-01T08:26:00Z","UnitPrice":2.55,"CustomerID":"17850",'
    .. '"Country":"United Kingdom"}'
end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-ndjson"
wrk.body = table.concat(lines, "\n") .. "\n"
