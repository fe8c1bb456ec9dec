//! The optimizers of `golden/optim.py` by name, and one visitor for all of them.

use retrograd::optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Asgd, Lamb, Lion, NAdam, Optimizer, RAdam, RmsProp, Rprop, Sgd,
};

/// What is done with each optimizer, whatever its type.
pub(crate) trait Visit {
    fn visit(&mut self, name: &str, optimizer: &impl Optimizer);
}

/// Shows every optimizer with the settings that the golden script has under that name.
pub(crate) fn visit_all(v: &mut impl Visit) {
    v.visit("sgd", &Sgd::new(1e-2));
    v.visit("sgd_momentum", &Sgd::new(5e-3).momentum(0.9));
    v.visit("sgd_dampening", &Sgd::new(5e-3).momentum(0.8).dampening(0.3).weight_decay(0.1));
    v.visit("sgd_nesterov", &Sgd::new(5e-3).momentum(0.9).weight_decay(0.05).nesterov(true));
    v.visit("sgd_maximize", &Sgd::new(1e-3).momentum(0.5).weight_decay(0.1).maximize(true));
    v.visit("sgd_decayed", &Sgd::new(1e-2).lr_decay(0.3));
    v.visit("adam", &Adam::new(1e-2));
    v.visit("adam_amsgrad", &Adam::new(5e-2).betas((0.8, 0.9)).amsgrad(true));
    v.visit("adam_decayed", &Adam::new(2e-2).betas((0.7, 0.95)).eps(1e-3).weight_decay(0.1));
    v.visit("adam_maximize", &Adam::new(1e-2).weight_decay(0.1).maximize(true));
    v.visit("adamw", &AdamW::new(1e-2));
    v.visit("adamw_amsgrad", &AdamW::new(3e-2).betas((0.8, 0.9)).weight_decay(0.3).amsgrad(true));
    v.visit("adamax", &Adamax::new(1e-2));
    v.visit("adamax_decayed", &Adamax::new(5e-2).betas((0.6, 0.8)).eps(1e-2).weight_decay(0.2));
    v.visit("nadam", &NAdam::new(1e-2));
    v.visit("nadam_decayed", &NAdam::new(2e-2).betas((0.8, 0.95)).weight_decay(0.1).momentum_decay(0.1));
    v.visit("nadam_decoupled", &NAdam::new(2e-2).weight_decay(0.2).decoupled_weight_decay(true));
    v.visit("radam", &RAdam::new(1e-2));
    v.visit("radam_decayed", &RAdam::new(3e-2).betas((0.8, 0.9)).weight_decay(0.1));
    let decoupled = RAdam::new(2e-2).betas((0.9, 0.99)).weight_decay(0.2).decoupled_weight_decay(true);
    v.visit("radam_decoupled", &decoupled);
    v.visit("adagrad", &Adagrad::new(5e-2));
    let decayed = Adagrad::new(1e-1).lr_decay(0.1).weight_decay(0.1).initial_accumulator_value(0.5).eps(1e-3);
    v.visit("adagrad_decayed", &decayed);
    v.visit("adadelta", &Adadelta::default());
    v.visit("adadelta_decayed", &Adadelta::new(0.5).rho(0.7).eps(1e-4).weight_decay(0.1));
    v.visit("rmsprop", &RmsProp::new(1e-2));
    v.visit("rmsprop_centered", &RmsProp::new(1e-2).alpha(0.9).eps(1e-3).centered(true));
    v.visit("rmsprop_momentum", &RmsProp::new(5e-3).alpha(0.8).momentum(0.7).weight_decay(0.1));
    v.visit("rmsprop_both", &RmsProp::new(5e-3).alpha(0.9).eps(1e-4).momentum(0.5).centered(true));
    v.visit("rprop", &Rprop::new(1e-2));
    v.visit("rprop_bounded", &Rprop::new(5e-2).etas((0.4, 1.5)).step_sizes((1e-2, 0.2)));
    v.visit("asgd", &Asgd::new(1e-2));
    v.visit("asgd_averaged", &Asgd::new(2e-2).lambd(0.1).alpha(0.6).t0(3.0).weight_decay(0.1));
    v.visit("lion", &Lion::new(1e-4));
    v.visit("lion_decayed", &Lion::new(1e-2).betas((0.8, 0.95)).weight_decay(0.3));
    v.visit("lamb", &Lamb::new(1e-3));
    v.visit("lamb_decayed", &Lamb::new(2e-2).betas((0.8, 0.9)).eps(1e-4).weight_decay(0.2));
}
