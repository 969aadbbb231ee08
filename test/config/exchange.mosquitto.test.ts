import { describeWithMosquitto } from '../support/brokers';
import { patches } from './exchange-suite';

describeWithMosquitto('the change of a configuration', patches);
