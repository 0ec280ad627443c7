-- One record a request, for wrk: wrk -t1 -c64 -d5s --latency -s one.lua http://127.0.0.1:18080/orders
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"InvoiceNo":"536365","StockCode":"85123A",'
  .. '"Description":"WHITE HANGING HEART T-LIGHT HOLDER","Quantity":6,'
  .. '"InvoiceDate":"2010-12-01T08:26:00Z","UnitPrice":2.55,"CustomerID":"17850",'
  .. '"Country":"United Kingdom"}'
