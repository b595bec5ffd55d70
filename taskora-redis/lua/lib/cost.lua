-- What jobs cost: how many starts of a rate each of their starts counts as. It is in a job's record. A call reads it once, and only of
-- jobs that a rate counts.

-- Reads what these jobs cost; those that gather (`is_batch`) cost one start each.
function cost.load(ids, is_batch)
  local known, plain = gathered('costs'), {}
  for _, id in ipairs(ids) do
    if is_batch then
      known[id] = 1
    elseif known[id] then
      -- this call has read it, or will store it
    elseif byte(id) == 42 then
      local flow, number = workflow.node_of(id)
      local text = flow and workflow.record_in(call('HGET', K.wf .. flow, 'n' .. number))
      known[id] = text and record.cost_of(text) or 1
    else
      plain[#plain + 1] = id
    end
  end
  for i, text in ipairs(fields_of(K.jobs, plain)) do known[plain[i]] = text and record.cost_of(text) or 1 end
end

function cost.of(id)
  local known = gathered('costs')
  if not known[id] then cost.load({ id }) end
  return known[id]
end

-- This call stores a job that costs so much.
function cost.note(id, costs)
  gathered('costs')[id] = costs
end

-- what the next job costs of those in these lines; 1 if there is none
function cost.next(lines)
  local first, next_id = nil, nil
  for _, task in ipairs(lines) do
    local score, id = line.first(task)
    if score and not (first and first <= score) then first, next_id = score, id end
  end
  return next_id and cost.of(next_id) or 1
end
