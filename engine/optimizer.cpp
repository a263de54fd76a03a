#include "engine/optimizer.h"

namespace fringe {

template <class T>
Optimizer<T>::Optimizer(Context<T>& context, std::vector<Parameter<T>*> parameters)
    : context_(context), parameters_(std::move(parameters)), factors_(context, channel_vector(2)),
      rate_(context, channel_vector(1)) {
  for (const auto* p : parameters_)
    for (auto* state : {&m_, &v_}) state->emplace_back(context_, p->value.shape()).fill(T(0));
}

template <class T>
void Optimizer<T>::begin_momentum() {
  if (!momentum_.empty()) return;
  for (const auto* p : parameters_) momentum_.emplace_back(context_, p->value.shape()).fill(T(0));
}

template <class T>
void Optimizer<T>::step(const StepPlan& plan) {
  prepare(plan);
  apply(plan.method);
}

template <class T>
void Optimizer<T>::prepare(const StepPlan& plan) {
  if (plan.method == Method::adam) {
    factors_.put(adam::factors<T>({}, plan.rate, ++adam_steps_));
  } else {
    begin_momentum();
    rate_.put({static_cast<T>(plan.rate)});
  }
}

template <class T>
void Optimizer<T>::apply(Method method) {
  if (method == Method::adam) {
    std::vector<AdamSlot<T>> slots;
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      slots.push_back({parameters_[i]->value.view(), parameters_[i]->grad.read(), m_[i].view(), v_[i].view()});
    context_.launch(&KernelTable<T>::adam_step, "adam_step", AdamParams{}, factors_.read(), slots);
  } else {
    std::vector<SgdSlot<T>> slots;
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      slots.push_back({parameters_[i]->value.view(), parameters_[i]->grad.read(), momentum_[i].view()});
    context_.launch(&KernelTable<T>::sgd_step, "sgd_step", SgdParams{.momentum = sgd_momentum}, rate_.read(), slots);
  }
}

template <class T>
void Optimizer<T>::save(Checkpoint& checkpoint) const {
  checkpoint.numbers["optimizer.adam_steps"] = static_cast<double>(adam_steps_);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i]->name;
    checkpoint.put("optimizer.m." + name, m_[i]);
    checkpoint.put("optimizer.v." + name, v_[i]);
    if (!momentum_.empty()) checkpoint.put("optimizer.momentum." + name, momentum_[i]);
  }
}

template <class T>
void Optimizer<T>::load(const Checkpoint& checkpoint) {
  adam_steps_ = static_cast<Index>(checkpoint.number("optimizer.adam_steps"));
  momentum_.clear();
  if (!parameters_.empty() && checkpoint.has("optimizer.momentum." + parameters_.front()->name)) begin_momentum();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i]->name;
    checkpoint.get("optimizer.m." + name, m_[i]);
    checkpoint.get("optimizer.v." + name, v_[i]);
    if (!momentum_.empty()) checkpoint.get("optimizer.momentum." + name, momentum_[i]);
  }
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace fringe
