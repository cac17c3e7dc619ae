-- For wrk: requests.lua -- TOKEN FILE. Each line of FILE is a request body, taken at random; `{n}` in it becomes a
-- number that no other request of the run has. Without FILE it sends GET.
function init(args)
  wrk.headers["Authorization"] = "Bearer " .. args[1]
  if not args[2] then return end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  local requests, numbered = {}, nil
  for body in io.lines(args[2]) do
    if body:find("{n}", 1, true) then numbered = body:gsub("%%", "%%%%"):gsub("{n}", "%%d") end
    requests[#requests + 1] = wrk.format(nil, nil, nil, body)
  end
  local n = 0
  if numbered then
    request = function()
      n = n + 1
      return wrk.format(nil, nil, nil, numbered:format(n))
    end
  elseif #requests > 1 then
    request = function() return requests[math.random(#requests)] end
  else
    request = function() return requests[1] end
  end
end

function done(summary, latency)
  local e = summary.errors
  print(string.format("RESULT %d %.3f %.3f %.3f %d", summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
