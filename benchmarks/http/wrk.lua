-- What wrk asks and says. With a word, every request has a query string of its own that begins with it.

function init(args)
  if args[1] then
    local count, path = 0, wrk.path .. "?" .. args[1] .. "="
    -- A static request is built once; defining this function makes wrk build each.
    request = function()
      count = count + 1
      return wrk.format(nil, path .. count)
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "received": %d, "p50": %f, "p99": %f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
